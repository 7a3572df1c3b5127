// A model and a tokenizer for tests of the engine: logits are a hash of the tokens that the KV
// pages hold, so a page lost, shared or overwritten shows in the answer. Token i is spelled as one
// letter.
// A short memory makes texts that repeat themselves; errors make a draft model of it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "devices/executor.h"
#include "text/tokenizer.h"

namespace autoglm {

class FakeTokenizer : public Tokenizer {
 public:
  explicit FakeTokenizer(int32_t vocab_size) : vocab_size_(vocab_size) {}
  Result<std::vector<TokenId>> encode(std::string_view text, EncodeOptions) const override {
    std::vector<TokenId> ids;
    for (const char c : text) ids.push_back(TokenId{c - 'a'});
    return ids;
  }
  Result<std::string> decode(std::span<const TokenId> ids, bool) const override {
    std::string text;
    for (const TokenId id : ids) text += token_bytes(id);
    return text;
  }
  std::string token_bytes(TokenId id) const override {
    return std::string(1, static_cast<char>('a' + static_cast<int32_t>(id) % 26));
  }
  std::string token_spelling(TokenId id) const override { return token_bytes(id); }
  std::optional<TokenId> token_id(std::string_view) const override { return std::nullopt; }
  bool is_special(TokenId) const override { return false; }
  int32_t vocab_size() const override { return vocab_size_; }
  std::optional<TokenId> bos() const override { return std::nullopt; }
  std::optional<TokenId> eos() const override { return std::nullopt; }

 private:
  int32_t vocab_size_;
};

class FakeExecutor : public Executor {
 public:
  explicit FakeExecutor(ExecutorLimits limits) : limits_(limits) {}
  const ExecutorLimits& limits() const override { return limits_; }
  Result<void> reserve_pages(int32_t n_pages) override {
    memory_.assign(static_cast<size_t>(n_pages) * static_cast<size_t>(limits_.page_tokens), -1);
    return {};
  }

  void read_page(int32_t page, std::span<std::byte> out) override {
    std::ranges::copy(page_bytes(page), out.begin());
  }
  void write_page(int32_t page, std::span<const std::byte> bytes) override {
    std::ranges::copy(bytes, page_bytes(page).begin());
  }

  bool step(const StepInput& input) override {
    ++n_steps;
    if (on_step) on_step(input);
    const bool gives_up = input.give_up != nullptr && *input.give_up;
    gives_up ? leave_rubbish(input) : compute(input);
    return !gives_up;
  }
  std::span<const float> logits(int32_t index) const override {
    return std::span(outputs_.at(static_cast<size_t>(index)))
        .first(static_cast<size_t>(limits_.vocab_size));
  }
  std::span<const float> hidden_state(int32_t index) const override {
    return std::span(outputs_.at(static_cast<size_t>(index)))
        .first(static_cast<size_t>(limits_.hidden_size));
  }

  int64_t n_steps = 0;
  int64_t memory = std::numeric_limits<int32_t>::max();  // tokens that logits depend on
  uint64_t error_every = 0;                              // of so many logits one is another model's
  std::function<void(const StepInput&)> on_step;
  int next_nan = 0;  // the so-many-th output row from now gets a NaN

 private:
  void leave_rubbish(const StepInput& input) {
    for (const StepSequence& sequence : input.sequences) {
      for (int32_t row = 0; row < sequence.n_rows; ++row) {
        cell(sequence, sequence.start_position + row) = -2;
      }
    }
  }
  void compute(const StepInput& input) {
    outputs_.clear();
    ASSERT_LE(std::ssize(input.tokens), limits_.max_rows);
    ASSERT_LE(std::ssize(input.output_rows), limits_.max_output_rows);
    ASSERT_TRUE(std::is_sorted(input.output_rows.begin(), input.output_rows.end()));
    size_t next_output = 0;
    int32_t next_row = 0;
    for (const StepSequence& sequence : input.sequences) {
      ASSERT_EQ(sequence.first_row, next_row);
      ASSERT_GT(sequence.n_rows, 0);
      next_row += sequence.n_rows;
      for (int32_t row = 0; row < sequence.n_rows; ++row) {
        const int64_t position = sequence.start_position + row;
        ASSERT_LT(position / limits_.page_tokens, std::ssize(sequence.pages));
        cell(sequence, position) = content(input, sequence.first_row + row, position);
        if (next_output == input.output_rows.size() ||
            input.output_rows[next_output] != sequence.first_row + row) {
          continue;
        }
        ++next_output;
        uint64_t hash = 0x9E3779B97F4A7C15;
        for (int64_t i = std::max<int64_t>(0, position + 1 - memory); i <= position; ++i) {
          hash = (hash ^ static_cast<uint64_t>(cell(sequence, i))) * 0xD6E8FEB86659FD93;
          hash ^= hash >> 32;
        }
        if (error_every > 0 && hash % error_every == 0) ++hash;
        std::vector<float> values;
        for (int32_t i = 0; i < std::max(limits_.vocab_size, limits_.hidden_size); ++i) {
          hash = hash * 6364136223846793005 + 1442695040888963407;
          values.push_back(static_cast<float>(static_cast<int32_t>(hash >> 40) % 1000) / 250);
        }
        if (next_nan > 0 && --next_nan == 0) values[0] = std::nanf("");
        outputs_.push_back(std::move(values));
      }
    }
    ASSERT_EQ(next_row, std::ssize(input.tokens));
    ASSERT_EQ(next_output, input.output_rows.size());
  }
  // What the keys and values of a row are made of: its token, or the numbers in its place, and
  // where it stands.
  int32_t content(const StepInput& input, int32_t row, int64_t position) const {
    auto content = static_cast<int32_t>(input.tokens[static_cast<size_t>(row)]);
    for (const StepEmbeddings& given : input.embeddings) {
      const auto first = static_cast<int64_t>(row - given.first_row) * limits_.hidden_size;
      if (first < 0 || first >= std::ssize(given.values)) continue;
      content = 1000;
      for (const float value : given.values.subspan(static_cast<size_t>(first),
                                                    static_cast<size_t>(limits_.hidden_size))) {
        content = content * 31 % 1000003 + static_cast<int32_t>(value * 16);
      }
    }
    if (input.positions.empty()) return content;
    const RotaryPosition& given = input.positions[static_cast<size_t>(row)];
    for (size_t i = 0; i < given.size(); ++i) {
      content += static_cast<int32_t>(i + 1) * 5000 * (given[i] - static_cast<int32_t>(position));
    }
    return content;
  }
  int32_t& cell(const StepSequence& sequence, int64_t position) {
    const int64_t page = sequence.pages[static_cast<size_t>(position / limits_.page_tokens)];
    return memory_.at(
        static_cast<size_t>(page * limits_.page_tokens + position % limits_.page_tokens));
  }
  ExecutorLimits limits_;
  std::span<std::byte> page_bytes(int32_t page) {
    const auto n = static_cast<size_t>(limits_.page_tokens);
    return std::as_writable_bytes(std::span(memory_).subspan(static_cast<size_t>(page) * n, n));
  }

  std::vector<int32_t> memory_;
  std::vector<std::vector<float>> outputs_;
};

}  // namespace autoglm
