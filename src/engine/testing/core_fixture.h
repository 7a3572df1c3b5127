// For tests of the engine core: a core over fake models and a clock that the test moves, what its
// events said put together, and what a request gets when it is alone.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine_core.h"
#include "engine/testing/fakes.h"

namespace autoglm {

inline constexpr int32_t kVocabulary = 26;
inline const FakeTokenizer kTokenizer(kVocabulary);

// All that a request's events said, put together.
struct Outcome {
  GenerationResult result;
  std::vector<Usage> usages;
  std::optional<Error> error;
  int n_last = 0;
  int n_events = 0;
};

inline void record(Outcome& outcome, const GenerationEvent& event) {
  ++outcome.n_events;
  EXPECT_EQ(outcome.n_last, 0) << "an event after the last";
  if (event.last) ++outcome.n_last;
  auto& choices = outcome.result.choices;
  const auto which = static_cast<size_t>(event.choice);
  if (choices.size() <= which) choices.resize(which + 1);
  Choice& choice = choices[which];
  EXPECT_EQ(choice.finish_reason, FinishReason::kNone) << "an event after the choice's end";
  if (!event.prompt_logprobs->empty()) {
    EXPECT_EQ(event.choice, 0);
    EXPECT_TRUE(choice.tokens.empty());
    outcome.result.prompt_logprobs = event.prompt_logprobs;
  }
  choice.text += event.text;
  choice.tokens.insert(choice.tokens.end(), event.tokens.begin(), event.tokens.end());
  choice.logprobs.insert(choice.logprobs.end(), event.logprobs.begin(), event.logprobs.end());
  choice.finish_reason = event.finish_reason;
  choice.stop_reason = event.stop_reason;
  outcome.result.usage = event.usage;
  if (event.error) outcome.error = event.error;
}

inline bool same(const PositionLogprobs& a, const PositionLogprobs& b) {
  const auto equal = [](const TokenLogprob& x, const TokenLogprob& y) {
    return x.id == y.id && x.logprob == y.logprob && x.rank == y.rank;
  };
  return equal(a.taken, b.taken) &&
         std::equal(a.top.begin(), a.top.end(), b.top.begin(), b.top.end(), equal);
}

// `whole`: also the end must be the same; else `a` may be a beginning of `b`.
inline void expect_same(const Outcome& a, const Outcome& b, bool whole) {
  ASSERT_LE(a.result.choices.size(), b.result.choices.size());
  for (size_t i = 0; i < a.result.choices.size(); ++i) {
    const Choice& x = a.result.choices[i];
    const Choice& y = b.result.choices[i];
    ASSERT_LE(x.tokens.size(), y.tokens.size());
    EXPECT_TRUE(std::equal(x.tokens.begin(), x.tokens.end(), y.tokens.begin()));
    EXPECT_TRUE(std::equal(x.logprobs.begin(), x.logprobs.end(), y.logprobs.begin(), same));
    EXPECT_EQ(x.text, y.text.substr(0, x.text.size()));
    if (!whole) continue;
    EXPECT_EQ(x.tokens.size(), y.tokens.size());
    EXPECT_EQ(x.text, y.text);
    EXPECT_EQ(x.finish_reason, y.finish_reason);
    EXPECT_EQ(x.stop_reason, y.stop_reason);
  }
  if (!whole) return;
  ASSERT_EQ(a.result.prompt_logprobs->size(), b.result.prompt_logprobs->size());
  for (size_t i = 1; i < a.result.prompt_logprobs->size(); ++i) {
    EXPECT_TRUE(same(*(*a.result.prompt_logprobs)[i], *(*b.result.prompt_logprobs)[i])) << i;
  }
  EXPECT_EQ(a.result.usage.completion_tokens, b.result.usage.completion_tokens);
}

// A file of its own for each test, gone with it.
class SpillFile {
 public:
  SpillFile()
      : path_(testing::TempDir() + "engine_core_test." + std::to_string(getpid()) + "." +
              std::to_string(++n_files)) {
    std::filesystem::remove(path_);
  }
  ~SpillFile() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }
  std::unique_ptr<KvSpill> open(const ExecutorLimits& limits, int32_t n_slots) const {
    auto spill = KvSpill::open({.path = path_,
                                .size_bytes = 4096 + int64_t{n_slots} * 8192,
                                .page_bytes = limits.page_bytes,
                                .page_tokens = limits.page_tokens,
                                .identity = "a fake"});
    EXPECT_TRUE(spill) << spill.error().message();
    return spill ? *std::move(spill) : nullptr;
  }
  // Changes one byte of what some slots hold.
  void damage(std::mt19937& random, int n) const {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(0, std::ios::end);
    const auto size = static_cast<int64_t>(file.tellg());
    for (int i = 0; i < n && size > 4096; ++i) {
      const auto slots = static_cast<uint32_t>((size - 4096 + 8191) / 8192);
      file.clear();
      file.seekp(4096 + random() % slots * 8192 + 4096 + random() % 4);
      file.put(static_cast<char>(random()));
    }
  }

 private:
  static inline int n_files = 0;
  const std::string path_;
};

struct Fixture {
  FakeExecutor executor, draft;
  std::unique_ptr<KvSpill> spill;
  double now = 0;
  EngineCore core;

  Fixture(ExecutorLimits limits, CoreOptions options, std::unique_ptr<KvSpill> spills = nullptr)
      : executor(limits),
        draft(draft_limits(limits)),
        spill(std::move(spills)),
        core((static_cast<void>(executor.reserve_pages(options.n_pages)),
              static_cast<void>(draft.reserve_pages(options.n_pages)), executor),
             kTokenizer, completed(options)) {}
  // The draft model's vocabulary is padded otherwise, and its context ends earlier.
  static ExecutorLimits draft_limits(ExecutorLimits limits) {
    limits.vocab_size -= 1;
    limits.max_context = 30;
    return limits;
  }
  CoreOptions completed(CoreOptions options) {
    options.clock = [this] { return now; };
    options.spill = spill.get();
    if (options.speculation.method == "draft_model") options.draft = &draft;
    return options;
  }
};

inline constexpr ExecutorLimits kLimits{.max_rows = 64,
                                        .max_output_rows = 16,
                                        .vocab_size = kVocabulary,
                                        .hidden_size = 5,
                                        .max_context = 64,
                                        .page_tokens = 4,
                                        .page_bytes = 16};
inline const CoreOptions kRoomy{.n_pages = 64,
                                .max_model_len = 64,
                                .max_batch_size = 8,
                                .max_batched_tokens = 32,
                                .end = {TokenId{4}, {TokenId{4}, TokenId{5}}}};

// A job as Engine::submit() makes it.
inline Job job_of(uint64_t id, const GenerationRequest& request, uint64_t seed,
                  GenerationCallback on_event) {
  EXPECT_TRUE(check_inputs(*request.inputs, std::ssize(request.prompt), kLimits.hidden_size));
  return {.id = id,
          .request = request,
          .rows = PromptRows(*request.inputs, std::ssize(request.prompt), kLimits.hidden_size,
                             kLimits.page_tokens),
          .seed = seed,
          .on_event = std::move(on_event)};
}

inline Outcome run_alone(const GenerationRequest& request, uint64_t seed, int64_t memory = 1000) {
  CoreOptions options = kRoomy;
  options.prefix_caching = false;
  Fixture f(kLimits, options);
  f.executor.memory = memory;
  Outcome outcome;
  f.core.add(job_of(1, request, seed, [&](const auto& event) { record(outcome, event); }));
  while (!f.core.idle()) f.core.step();
  EXPECT_EQ(outcome.n_last, 1);
  return outcome;
}
inline GenerationRequest request_of(std::vector<int32_t> prompt, SamplingParams sampling) {
  GenerationRequest request{.sampling = std::move(sampling)};
  for (const int32_t id : prompt) request.prompt.push_back(TokenId{id});
  return request;
}

// Steps until nothing is left; the rows that were computed in all.
inline int64_t rows_until_idle(Fixture& f) {
  int64_t rows = 0;
  f.executor.on_step = [&](const StepInput& input) {
    rows += std::ssize(input.tokens);
    f.now += 1;
  };
  while (!f.core.idle()) {
    f.core.step();
    EXPECT_EQ(f.core.check_invariants(), std::nullopt);
  }
  f.executor.on_step = nullptr;
  return rows;
}

inline GenerationRequest long_question(std::vector<int32_t> end, int64_t max_tokens) {
  std::vector<int32_t> prompt;
  for (int32_t i = 0; i < 18; ++i) prompt.push_back(i);
  prompt.insert(prompt.end(), end.begin(), end.end());
  return request_of(prompt, {.temperature = 0, .max_tokens = max_tokens, .ignore_eos = true});
}

inline Outcome ask(Fixture& f, uint64_t id, const GenerationRequest& request,
                   int64_t* rows = nullptr) {
  Outcome outcome;
  f.core.add(job_of(id, request, 0, [&](const auto& event) { record(outcome, event); }));
  const int64_t n = rows_until_idle(f);
  if (rows != nullptr) *rows = n;
  return outcome;
}

}  // namespace autoglm
