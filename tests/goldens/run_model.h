// What golden tests share: a checkpoint loaded onto the CPU, fed with tokens in chunks, one
// sequence or several.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "devices/cpu/cpu_executor.h"
#include "formats/checkpoint.h"
#include "runtime/load_executor.h"

namespace autoglm {

struct RunOptions {
  std::string quantize = "none";
  int32_t threads = 1;
  std::string kv_cache_dtype = "auto";
  bool fuse = true;
  std::function<void(const ComputedRows& rows)> on_result;
};

class RunModel {
 public:
  static constexpr int32_t kRows = 96;
  static constexpr int32_t kPages = 64;

  static Result<RunModel> load(const std::string& path, const RunOptions& options = {}) {
    auto checkpoint = AGLM_TRY(Checkpoint::open(path));
    LoadedExecutor loaded =
        AGLM_TRY(load_executor(*checkpoint, {.quantize = options.quantize,
                                             .kv_cache_dtype = options.kv_cache_dtype,
                                             .threads = options.threads,
                                             .max_rows = kRows,
                                             .max_output_rows = kRows,
                                             .fuse = options.fuse,
                                             .on_result = options.on_result}));
    AGLM_TRY(loaded.executor->reserve_pages(kPages));
    return RunModel(std::move(loaded.executor));
  }

  explicit RunModel(std::unique_ptr<Executor> executor) : executor_(std::move(executor)) {
    for (int32_t i = kPages - 1; i >= 0; --i) free_pages_.push_back(i);
  }

  const ExecutorLimits& limits() const { return executor_->limits(); }

  struct Sequence {
    std::vector<TokenId> tokens;  // computed so far
    std::vector<int32_t> pages;
    std::vector<std::vector<float>> logits;  // of every position
  };

  // One step: each sequence gets its tokens appended, in the order given.
  void step(std::span<const std::pair<Sequence*, std::span<const TokenId>>> work) {
    std::vector<TokenId> tokens;
    std::vector<StepSequence> stretches;
    for (const auto& [sequence, more] : work) {
      const size_t start = sequence->tokens.size();
      const size_t pages = (start + more.size() + 31) / 32;
      while (sequence->pages.size() < pages) {
        AGLM_CHECK(!free_pages_.empty(), "{} pages are too few", kPages);
        sequence->pages.push_back(free_pages_.back());
        free_pages_.pop_back();
      }
      stretches.push_back({.first_row = static_cast<int32_t>(tokens.size()),
                           .n_rows = static_cast<int32_t>(more.size()),
                           .start_position = static_cast<int64_t>(start),
                           .pages = sequence->pages});
      tokens.insert(tokens.end(), more.begin(), more.end());
    }
    std::vector<int32_t> rows(tokens.size());
    std::iota(rows.begin(), rows.end(), 0);
    executor_->step({.tokens = tokens, .sequences = stretches, .output_rows = rows});
    int32_t row = 0;
    for (const auto& [sequence, more] : work) {
      for (const TokenId token : more) {
        sequence->tokens.push_back(token);
        const std::span<const float> logits = executor_->logits(row++);
        sequence->logits.emplace_back(logits.begin(), logits.end());
      }
    }
  }

  // Feeds `tokens` to one sequence in chunks of `chunk`.
  void feed(Sequence& sequence, std::span<const TokenId> tokens, size_t chunk = kRows) {
    while (!tokens.empty()) {
      const size_t n = std::min(chunk, tokens.size());
      const std::pair<Sequence*, std::span<const TokenId>> work{&sequence, tokens.first(n)};
      step({&work, 1});
      tokens = tokens.subspan(n);
    }
  }

  // The most likely token after `sequence`, `n` times.
  std::vector<TokenId> greedy(Sequence& sequence, int n) {
    std::vector<TokenId> answer;
    for (int i = 0; i < n; ++i) {
      const std::vector<float>& last = sequence.logits.back();
      const auto next = static_cast<TokenId>(std::ranges::max_element(last) - last.begin());
      answer.push_back(next);
      if (i + 1 < n) feed(sequence, {&next, 1});
    }
    return answer;
  }

  void release(Sequence& sequence) {
    free_pages_.insert(free_pages_.end(), sequence.pages.begin(), sequence.pages.end());
    sequence = {};
  }

 private:
  std::unique_ptr<Executor> executor_;
  std::vector<int32_t> free_pages_;
};

}  // namespace autoglm
