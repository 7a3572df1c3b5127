// The encoder's core over an executor that gives each text the sum of its tokens: texts go whole
// into steps, in order of class and shares; what is accepted ends once.
#include "engine/encoder/encoder_core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace autoglm {
namespace {

class SummingExecutor : public Executor {
 public:
  const ExecutorLimits& limits() const override { return limits_; }
  Result<void> reserve_pages(int32_t) override { return {}; }
  void read_page(int32_t, std::span<std::byte>) override {}
  void write_page(int32_t, std::span<const std::byte>) override {}
  bool step(const StepInput& input) override {
    EXPECT_LE(std::ssize(input.tokens), limits_.max_rows);
    EXPECT_LE(std::ssize(input.sequences), limits_.max_output_rows);
    EXPECT_EQ(input.sequences.size(), input.output_rows.size());
    rows_of_steps.push_back(std::ssize(input.tokens));
    sums_.clear();
    for (const StepSequence& s : input.sequences) {
      float sum = 0;
      for (int32_t i = 0; i < s.n_rows; ++i) {
        sum += static_cast<float>(input.tokens[static_cast<size_t>(s.first_row + i)]);
      }
      sums_.push_back({sum, broken ? NAN : 0.0f});
    }
    return true;
  }
  std::span<const float> logits(int32_t) const override { return {}; }
  std::span<const float> hidden_state(int32_t index) const override {
    return sums_[static_cast<size_t>(index)];
  }

  bool broken = false;
  std::vector<int64_t> rows_of_steps;

 private:
  ExecutorLimits limits_{
      .max_rows = 10, .max_output_rows = 4, .vocab_size = 100, .hidden_size = 2, .token_types = 2};
  std::vector<std::vector<float>> sums_;
};

struct Fixture {
  SummingExecutor executor;
  double now = 0;
  EncoderCore core{executor,
                   {.max_model_len = 10,
                    .output = {},
                    .clock = [this] { return now; },
                    .window = {.size = 2, .seconds = 1}}};
  std::map<uint64_t, std::vector<Result<std::vector<std::vector<float>>>>> told;

  // Texts of so many tokens 1.
  void add(uint64_t id, const std::vector<int>& lengths, Scheduling scheduling = {}) {
    EncodingJob job{.id = id, .accepted_at = now};
    for (const int n : lengths) {
      job.request.texts.push_back(
          {.tokens = std::vector<TokenId>(static_cast<size_t>(n), TokenId{1})});
    }
    job.request.scheduling = std::move(scheduling);
    ASSERT_TRUE(core.check(job.request));
    job.on_result = [this, id](auto result) { told[id].push_back(std::move(result)); };
    core.add(std::move(job));
  }
  void tell() {
    for (EndedEncoding& one : core.take_ended()) one.on_result(std::move(one.result));
  }
  void step() {
    core.step();
    tell();
  }
};

TEST(EncoderCore, TakesWholeTextsAndTellsAllOfARequestAtOnce) {
  Fixture f;
  f.add(1, {6, 6, 3});
  f.add(2, {4});
  f.step();  // the first text of one, and the other's, which fits beside it
  EXPECT_EQ(f.told.size(), 1u);
  f.step();
  ASSERT_EQ(f.told[1].size(), 1u);
  ASSERT_TRUE(f.told[1][0]);
  EXPECT_EQ(*f.told[1][0], (std::vector<std::vector<float>>{{6, 0}, {6, 0}, {3, 0}}));
  EXPECT_EQ(*f.told[2][0], (std::vector<std::vector<float>>{{4, 0}}));
  EXPECT_EQ(f.executor.rows_of_steps, (std::vector<int64_t>{10, 9}));
  EXPECT_TRUE(f.core.idle());
  EXPECT_EQ(f.core.stats().prompt_tokens, 19);
}

TEST(EncoderCore, TakesNoMoreTextsThanAStepHasRowsFor) {
  Fixture f;
  f.add(1, {1, 1, 1, 1, 1, 1});
  f.step();
  f.step();
  EXPECT_EQ(f.executor.rows_of_steps, (std::vector<int64_t>{4, 2}));
}

TEST(EncoderCore, PutsUrgentWorkFirstAndSharesAmongTenants) {
  Fixture f;
  f.add(1, {10, 10, 10}, {.priority = 2, .tenant = "a"});
  f.add(2, {10, 10}, {.tenant = "a"});
  f.add(3, {10}, {.tenant = "b"});
  std::vector<size_t> ended;
  while (!f.core.idle()) {
    f.step();
    ended.push_back(f.told.size());
  }
  // 2, 3, 2 (b had less), then what is offline.
  EXPECT_EQ(ended, (std::vector<size_t>{0, 1, 2, 2, 2, 3}));
  EXPECT_EQ(f.told[3].size(), 1u);
}

TEST(EncoderCore, LetsBatchedWorkGather) {
  Fixture f;
  f.add(1, {2}, {.priority = 1});
  f.step();
  EXPECT_TRUE(f.executor.rows_of_steps.empty());
  EXPECT_EQ(f.core.resting_until(), 1.0);
  f.now = 1.5;
  f.step();
  EXPECT_EQ(f.told[1].size(), 1u);
}

TEST(EncoderCore, EndsEachRequestOnceWhateverComes) {
  Fixture f;
  f.add(1, {10, 10});
  f.step();
  f.core.cancel(1);
  f.core.cancel(1);
  f.tell();
  ASSERT_EQ(f.told[1].size(), 1u);
  EXPECT_EQ(f.told[1][0].error().code, ErrorCode::kCancelled);

  f.add(2, {3}, {.timeout_ms = 50});
  f.now = 1;
  f.step();
  ASSERT_EQ(f.told[2].size(), 1u);
  EXPECT_EQ(f.told[2][0].error().reason, ErrorReason::kDeadlinePassed);

  f.executor.broken = true;
  f.add(3, {2, 2});
  f.step();
  ASSERT_EQ(f.told[3].size(), 1u);
  EXPECT_EQ(f.told[3][0].error().code, ErrorCode::kCorrupt);

  f.add(4, {2});
  f.core.recover({.code = ErrorCode::kUnavailable, .what = "no memory"});
  f.tell();
  ASSERT_EQ(f.told[4].size(), 1u);
  EXPECT_TRUE(f.core.idle());
}

}  // namespace
}  // namespace autoglm
