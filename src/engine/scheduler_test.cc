#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "engine/page_pool.h"

namespace autoglm {
namespace {

constexpr SchedulerLimits kLimits{
    .max_sequences = 4, .max_rows = 16, .max_output_rows = 8, .page_tokens = 4};

SchedulerSequence decoding(int64_t known) {
  return {known, known - 1, known - 1, pages_for(known - 1, kLimits.page_tokens)};
}
SchedulerSequence fresh(int64_t known) { return {known, 0, known - 1, 0}; }

std::vector<int32_t> rows_of(const StepPlan& plan) {
  std::vector<int32_t> rows;
  for (const auto& part : plan.parts) rows.push_back(part.rows);
  return rows;
}

TEST(Scheduler, DecodesFirstThenFillsTheStepWithThePrefillOfTheOldest) {
  const std::vector<SchedulerSequence> running{{30, 10, 29, 8}, decoding(6), decoding(7)};
  const std::vector<SchedulerSequence> waiting{fresh(5)};
  const StepPlan plan = plan_step(kLimits, 100, running, waiting);
  EXPECT_EQ(plan.n_admitted, 1);
  EXPECT_EQ(rows_of(plan), (std::vector<int32_t>{14, 1, 1, 0}));
}

TEST(Scheduler, NobodyOvertakesTheHeadOfTheQueue) {
  const std::vector<SchedulerSequence> waiting{fresh(40), fresh(3)};
  const StepPlan plan = plan_step(kLimits, 9, {}, waiting);  // the head needs ten
  EXPECT_EQ(plan.n_admitted, 0);
}

TEST(Scheduler, AdmitsAtMostTheBatch) {
  const std::vector<SchedulerSequence> waiting(9, fresh(2));
  EXPECT_EQ(plan_step(kLimits, 100, {}, waiting).n_admitted, 4);
}

TEST(Scheduler, KeepsAPageForEachRunningSequenceWhenItAdmits) {
  const std::vector<SchedulerSequence> running{decoding(6), decoding(6)};
  const std::vector<SchedulerSequence> waiting{fresh(4)};
  EXPECT_EQ(plan_step(kLimits, 2, running, waiting).n_admitted, 0);
  EXPECT_EQ(plan_step(kLimits, 3, running, waiting).n_admitted, 1);
}

TEST(Scheduler, PreemptsTheYoungestWhenAPageIsMissing) {
  // Each is at the edge of a page; two pages are free for three.
  const std::vector<SchedulerSequence> running{decoding(5), decoding(9), decoding(13)};
  const StepPlan plan = plan_step(kLimits, 0, running, {});
  EXPECT_EQ(plan.n_preempted, 1);
  EXPECT_EQ(rows_of(plan), (std::vector<int32_t>{1, 1}));
  EXPECT_EQ(plan.parts[0].new_pages, 1);
  EXPECT_EQ(plan.parts[1].new_pages, 1);
}

TEST(Scheduler, TheYoungestPreemptsItselfWhenOnlyItLacksAPage) {
  const std::vector<SchedulerSequence> running{decoding(6), decoding(5)};
  const StepPlan plan = plan_step(kLimits, 0, running, {});
  EXPECT_EQ(plan.n_preempted, 1);
  EXPECT_EQ(rows_of(plan), (std::vector<int32_t>{1}));
}

TEST(Scheduler, AdmitsNobodyInAStepThatPreempts) {
  const std::vector<SchedulerSequence> running{decoding(5), decoding(13)};
  const std::vector<SchedulerSequence> waiting{fresh(1)};
  const StepPlan plan = plan_step(kLimits, 0, running, waiting);
  EXPECT_EQ(plan.n_preempted, 1);
  EXPECT_EQ(plan.n_admitted, 0);
}

TEST(Scheduler, LimitsOutputRowsOfPromptLogprobs) {
  // All 12 rows want their logits; one output row goes to the sequence that decodes.
  const std::vector<SchedulerSequence> running{{12, 0, 0, 3}, decoding(6)};
  EXPECT_EQ(rows_of(plan_step(kLimits, 10, running, {})), (std::vector<int32_t>{7, 1}));
}

TEST(Scheduler, ComputesUpToTheLastRowWhenNoOutputRowIsLeft) {
  SchedulerLimits limits = kLimits;
  limits.max_output_rows = 4;
  const std::vector<SchedulerSequence> running{{9, 5, 5, 3}, {6, 0, 5, 2}};
  EXPECT_EQ(rows_of(plan_step(limits, 10, running, {})), (std::vector<int32_t>{4, 5}));
}

// Random states: budgets hold, pages suffice, and the oldest always moves.
TEST(Scheduler, KeepsItsPromisesOnRandomStates) {
  for (uint32_t seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto pick = [&](int64_t low, int64_t high) {
      return low + static_cast<int64_t>(random() % static_cast<uint32_t>(high - low + 1));
    };
    SchedulerLimits limits;
    limits.max_sequences = static_cast<int32_t>(pick(1, 6));
    limits.max_rows = limits.max_sequences + static_cast<int32_t>(pick(0, 20));
    limits.max_output_rows = limits.max_sequences + static_cast<int32_t>(pick(0, 5));
    limits.page_tokens = static_cast<int32_t>(pick(1, 5));
    const int64_t pool = pages_for(40, limits.page_tokens) + pick(0, 20);
    int64_t free_pages = pool;
    const auto sequence = [&](bool runs) {
      SchedulerSequence s;
      s.known = pick(1, 40);
      s.computed = runs ? pick(0, s.known - 1) : 0;
      s.output_from = pick(0, s.known - 1);
      // Running: a prefill holds all its pages, a decode may lack the last.
      if (runs) {
        s.pages = pages_for(s.computed + 1 == s.known ? s.computed : s.known, limits.page_tokens);
      }
      return s;
    };
    std::vector<SchedulerSequence> running, waiting;
    for (int64_t n = pick(0, limits.max_sequences); n > 0; --n) {
      const SchedulerSequence s = sequence(true);
      if (s.pages > free_pages) break;
      free_pages -= s.pages;
      running.push_back(s);
    }
    for (int64_t n = pick(0, 5); n > 0; --n) waiting.push_back(sequence(false));

    const StepPlan plan = plan_step(limits, free_pages, running, waiting);
    ASSERT_LE(plan.n_preempted, std::ssize(running));
    ASSERT_LE(plan.n_admitted, std::ssize(waiting));
    std::vector<SchedulerSequence> after(running.begin(), running.end() - plan.n_preempted);
    for (size_t i = after.size(); i < running.size(); ++i) free_pages += running[i].pages;
    after.insert(after.end(), waiting.begin(), waiting.begin() + plan.n_admitted);
    ASSERT_EQ(plan.parts.size(), after.size());
    ASSERT_LE(std::ssize(after), limits.max_sequences);
    int64_t rows = 0, outputs = 0;
    for (size_t i = 0; i < after.size(); ++i) {
      const auto& part = plan.parts[i];
      ASSERT_GE(part.rows, 0);
      ASSERT_LE(after[i].computed + part.rows, after[i].known);
      ASSERT_GE((after[i].pages + part.new_pages) * limits.page_tokens,
                after[i].computed + part.rows);
      free_pages -= part.new_pages;
      rows += part.rows;
      outputs += std::max<int64_t>(
          0, after[i].computed + part.rows - std::max(after[i].computed, after[i].output_from));
      if (after[i].known - after[i].computed == 1) {
        ASSERT_EQ(part.rows, 1);  // nothing that decodes is left out
      }
    }
    ASSERT_GE(free_pages, 0);
    ASSERT_LE(rows, limits.max_rows);
    ASSERT_LE(outputs, limits.max_output_rows);
    if (!running.empty()) {
      ASSERT_LT(plan.n_preempted, std::ssize(running));
      ASSERT_GT(plan.parts[0].rows, 0);
    } else if (!waiting.empty()) {
      ASSERT_GT(plan.n_admitted, 0);
    }
  }
}

}  // namespace
}  // namespace autoglm
