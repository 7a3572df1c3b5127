#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "engine/page_pool.h"

namespace autoglm {
namespace {

constexpr SchedulerLimits kLimits{
    .max_sequences = 4, .max_rows = 16, .max_output_rows = 8, .page_tokens = 4};

SchedulerSequence decoding(int64_t known, ServiceClass its = ServiceClass::kInteractive) {
  return {known, known - 1, known - 1, pages_for(known - 1, kLimits.page_tokens), its};
}
SchedulerSequence fresh(int64_t known, ServiceClass its = ServiceClass::kInteractive) {
  return {known, 0, known - 1, 0, its};
}
constexpr ServiceClass kOffline = ServiceClass::kOffline;
using Sequences = std::vector<SchedulerSequence>;
using Numbers = std::vector<int32_t>;

TEST(Scheduler, DecodesFirstThenFillsTheStepWithThePromptOfTheFirst) {
  const Sequences running{{30, 10, 29, 8}, decoding(6), decoding(7)};
  const StepPlan plan = plan_step(kLimits, {}, 100, running, Sequences{fresh(5)});
  EXPECT_EQ(plan.n_admitted, 1);
  EXPECT_EQ(plan.rows, (Numbers{14, 1, 1, 0}));
}

TEST(Scheduler, APromptIsCutSoThatTheStepStaysShortForThoseThatDecode) {
  const Sequences running{decoding(6), {30, 10, 29, 8}};
  EXPECT_EQ(plan_step(kLimits, {.rows = 12}, 100, running, {}).rows, (Numbers{1, 11}));
  EXPECT_EQ(plan_step(kLimits, {.rows = 1}, 100, running, {}).rows, (Numbers{1, 8}))
      << "it moves all the same";
  const Sequences alone{{30, 10, 29, 8}};
  EXPECT_EQ(plan_step(kLimits, {.rows = 2, .rows_of_prompts = 13}, 100, alone, {}).rows,
            (Numbers{13}));
}

TEST(Scheduler, OfflineWorkYieldsToAPromptWithinOneStepAndFillsWhatDecodingLeaves) {
  const Sequences running{decoding(6), decoding(6, kOffline), {30, 10, 29, 8, kOffline}};
  EXPECT_EQ(plan_step(kLimits, {.rows_with_offline = 10}, 100, running, {}).rows,
            (Numbers{1, 1, 8}));
  EXPECT_EQ(plan_step(kLimits, {.rows_with_offline = 2}, 100, running, {}).rows,
            (Numbers{1, 1, 0}));
  EXPECT_EQ(plan_step(kLimits, {.rows_with_offline = 1}, 100, running, {}).rows,
            (Numbers{1, 0, 0}));
  EXPECT_EQ(plan_step(kLimits, {}, 100, running, Sequences{fresh(3)}).rows, (Numbers{1, 0, 0, 3}));
}

TEST(Scheduler, OfflineWorkAloneIsComputedInShortSteps) {
  const Sequences running{decoding(6, kOffline), {30, 10, 29, 8, kOffline}};
  EXPECT_EQ(plan_step(kLimits, {.rows_with_offline = 11}, 100, running, {}).rows, (Numbers{1, 10}));
  EXPECT_EQ(plan_step(kLimits, {.rows_with_offline = 1}, 100, running, {}).rows, (Numbers{1, 8}));
}

TEST(Scheduler, UrgentWorkTakesThePlaceOfOfflineWork) {
  const Sequences running{decoding(6), decoding(6), decoding(6, kOffline), decoding(7, kOffline)};
  const Sequences urgent{fresh(5)};
  EXPECT_EQ(plan_step(kLimits, {}, 100, running, urgent).preempt, StepPlan::Preempt::kForUrgent);
  const Sequences equal{fresh(5, kOffline)};
  const StepPlan plan = plan_step(kLimits, {}, 100, running, equal);
  EXPECT_EQ(plan.preempt, StepPlan::Preempt::kNobody);
  EXPECT_EQ(plan.n_admitted, 0);
}

TEST(Scheduler, UrgentWorkTakesThePagesOfOfflineWorkWhereThatIsEnough) {
  const Sequences running{decoding(6), decoding(16, kOffline)};
  EXPECT_EQ(plan_step(kLimits, {}, 3, running, Sequences{fresh(20)}).preempt,
            StepPlan::Preempt::kForUrgent);
  const StepPlan plan = plan_step(kLimits, {}, 3, running, Sequences{fresh(40)});
  EXPECT_EQ(plan.preempt, StepPlan::Preempt::kNobody) << "nine pages are lacking, and four there";
  EXPECT_EQ(plan.n_admitted, 0);
}

TEST(Scheduler, NobodyOvertakesTheHeadOfTheQueue) {
  // The head needs ten.
  EXPECT_EQ(plan_step(kLimits, {}, 9, {}, Sequences{fresh(40), fresh(3)}).n_admitted, 0);
}

TEST(Scheduler, PagesThatOthersHoldCostNothing) {
  SchedulerSequence sharing = fresh(40);
  sharing.computed = 8;
  sharing.pages = 2;
  const StepPlan plan = plan_step(kLimits, {}, 9, Sequences{decoding(6)}, Sequences{sharing});
  EXPECT_EQ(plan.n_admitted, 1);
  EXPECT_EQ(plan.rows, (Numbers{1, 15}));
}

TEST(Scheduler, AdmitsAtMostTheBatch) {
  EXPECT_EQ(plan_step(kLimits, {}, 100, {}, Sequences(9, fresh(2))).n_admitted, 4);
}

TEST(Scheduler, KeepsAPageForEachRunningSequenceWhenItAdmits) {
  const Sequences running{decoding(6), decoding(6)};
  EXPECT_EQ(plan_step(kLimits, {}, 2, running, Sequences{fresh(4)}).n_admitted, 0);
  EXPECT_EQ(plan_step(kLimits, {}, 3, running, Sequences{fresh(4)}).n_admitted, 1);
}

TEST(Scheduler, PreemptsTheLastInRankWhenAPageIsMissing) {
  // Each is at the edge of a page; two pages are free for three.
  const Sequences running{decoding(5), decoding(9), decoding(13)};
  const StepPlan plan = plan_step(kLimits, {}, 2, running, Sequences{fresh(1)});
  EXPECT_EQ(plan.preempt, StepPlan::Preempt::kForPages);
  EXPECT_TRUE(plan.rows.empty());
  EXPECT_EQ(plan_step(kLimits, {}, 3, running, {}).rows, (Numbers{1, 1, 1}));
}

TEST(Scheduler, LimitsOutputRowsOfPromptLogprobs) {
  // All 12 rows want their logits; one output row goes to the sequence that decodes.
  const Sequences running{{12, 0, 0, 3}, decoding(6)};
  EXPECT_EQ(plan_step(kLimits, {}, 10, running, {}).rows, (Numbers{7, 1}));
}

TEST(Scheduler, ComputesUpToTheLastRowWhenNoOutputRowIsLeft) {
  SchedulerLimits limits = kLimits;
  limits.max_output_rows = 4;
  const Sequences running{{9, 5, 5, 3}, {6, 0, 5, 2}};
  EXPECT_EQ(plan_step(limits, {}, 10, running, {}).rows, (Numbers{4, 5}));
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
      s.output_from = pick(s.computed, s.known - 1);
      // Running: in its prompt it holds all its pages, while it decodes it may lack the last.
      if (runs) {
        s.pages = pages_for(s.computed + 1 == s.known ? s.computed : s.known, limits.page_tokens);
      }
      s.service_class = static_cast<ServiceClass>(pick(0, 2));
      return s;
    };
    const auto by_class = [](const SchedulerSequence& a, const SchedulerSequence& b) {
      return a.service_class < b.service_class;
    };
    Sequences running, waiting;
    for (int64_t n = pick(0, limits.max_sequences); n > 0; --n) {
      const SchedulerSequence s = sequence(true);
      if (s.pages > free_pages) break;
      free_pages -= s.pages;
      running.push_back(s);
    }
    for (int64_t n = pick(0, 5); n > 0; --n) waiting.push_back(sequence(false));
    std::stable_sort(running.begin(), running.end(), by_class);
    std::stable_sort(waiting.begin(), waiting.end(), by_class);
    const auto rows = [&] { return static_cast<int32_t>(pick(1, limits.max_rows + 3)); };
    const StepBudget budget{rows(), rows(), rows()};

    bool admits = true;
    StepPlan plan;
    while (true) {
      plan = plan_step(limits, budget, free_pages, running, admits ? waiting : Sequences());
      if (plan.preempt == StepPlan::Preempt::kNobody) break;
      ASSERT_FALSE(running.empty());
      if (plan.preempt == StepPlan::Preempt::kForPages) {
        ASSERT_GT(running.size(), 1U) << "the first in rank keeps its pages";
        admits = false;
      } else {
        ASSERT_GT(running.back().service_class, waiting.front().service_class);
      }
      free_pages += running.back().pages;
      running.pop_back();
    }
    Sequences after = running;
    after.insert(after.end(), waiting.begin(), waiting.begin() + plan.n_admitted);
    ASSERT_EQ(plan.rows.size(), after.size());
    ASSERT_LE(std::ssize(after), limits.max_sequences);
    int64_t taken = 0, outputs = 0;
    bool prompt_of_others = false;
    for (size_t i = 0; i < after.size(); ++i) {
      const int64_t n = plan.rows[i];
      ASSERT_GE(n, 0);
      ASSERT_LE(after[i].computed + n, after[i].known);
      free_pages -=
          std::max<int64_t>(0, pages_for(after[i].known, limits.page_tokens) - after[i].pages);
      taken += n;
      outputs += std::max<int64_t>(
          0, after[i].computed + n - std::max(after[i].computed, after[i].output_from));
      const bool decodes = after[i].known - after[i].computed == 1;
      if (after[i].service_class != kOffline) {
        prompt_of_others |= !decodes && n > 0;
        if (decodes) {
          ASSERT_EQ(n, 1) << "nothing that decodes is left out";
        }
      } else if (prompt_of_others) {
        ASSERT_EQ(n, 0) << "offline work beside a prompt of others";
      }
    }
    ASSERT_GE(free_pages, 0);
    ASSERT_LE(taken, limits.max_rows);
    ASSERT_LE(outputs, limits.max_output_rows);
    if (!running.empty()) {
      const auto urgent = [](const SchedulerSequence& s) { return s.service_class != kOffline; };
      if (urgent(after.front()) || std::none_of(after.begin(), after.end(), urgent)) {
        ASSERT_GT(plan.rows[0], 0) << "the first in rank moves";
      }
    } else if (!after.empty()) {
      ASSERT_GT(taken, 0);
    } else {
      ASSERT_TRUE(waiting.empty() || !admits);
    }
  }
}

QueuedSequence queued(int32_t priority, int32_t tenant, int64_t cost = 10, double arrived = 0) {
  return {.priority = priority, .tenant = tenant, .arrived = arrived, .cost = cost};
}
using Queue = std::vector<QueuedSequence>;
const std::vector<TenantShare> kTwoTenants{{.paid = 0, .weight = 1}, {.paid = 0, .weight = 1}};

TEST(Admission, TheMoreUrgentComeFirstAndEqualsByAge) {
  const Queue queue{queued(7, 0), queued(0, 0), queued(2, 0), queued(-3, 0), queued(0, 0)};
  EXPECT_EQ(admission_order({}, 0, queue, kTwoTenants, 9), (Numbers{3, 1, 4, 2, 0}));
  EXPECT_EQ(admission_order({}, 0, queue, kTwoTenants, 2), (Numbers{3, 1}));
}

TEST(Admission, ATenantWithManyRequestsDoesNotHoldUpOneWithFew) {
  Queue queue(5, queued(0, 0));
  queue.push_back(queued(0, 1));
  queue.push_back(queued(0, 1));
  EXPECT_EQ(admission_order({}, 0, queue, kTwoTenants, 9), (Numbers{0, 5, 1, 6, 2, 3, 4}));
}

TEST(Admission, ATenantsUrgencyIsWorthNothingAgainstOtherTenants) {
  const Queue queue{queued(0, 0), queued(-9, 1), queued(-9, 1)};
  EXPECT_EQ(admission_order({}, 0, queue, kTwoTenants, 9), (Numbers{0, 1, 2}));
}

TEST(Admission, TenantsShareByWeightAndByTheLengthOfWhatTheyAsk) {
  Queue queue;
  for (int i = 0; i < 6; ++i) queue.push_back(queued(0, 0, 10));
  for (int i = 0; i < 6; ++i) queue.push_back(queued(0, 1, 40));
  const std::vector<TenantShare> shares{{.paid = 0, .weight = 1}, {.paid = 0, .weight = 2}};
  // A prompt of tenant 1 is worth four of tenant 0, and its weight two.
  EXPECT_EQ(admission_order({}, 0, queue, shares, 7), (Numbers{0, 6, 1, 2, 7, 3, 4}));
}

TEST(Admission, BatchedWorkWaitsUntilEnoughHasGatheredOrLongEnough) {
  const BatchWindow window{.size = 3, .seconds = 2};
  Queue queue{queued(1, 0, 10, 5), queued(1, 0, 10, 6), queued(0, 0, 10, 6)};
  EXPECT_EQ(admission_order(window, 6.5, queue, kTwoTenants, 9), (Numbers{2}));
  EXPECT_EQ(admission_time(window, queue), 0);
  EXPECT_EQ(admission_order(window, 7, queue, kTwoTenants, 9), (Numbers{2, 0, 1}));
  queue.pop_back();
  EXPECT_EQ(admission_time(window, queue), 7);
  queue.push_back(queued(1, 0, 10, 6.4));
  EXPECT_EQ(admission_time(window, queue), 0);
  EXPECT_EQ(admission_order(window, 6.5, queue, kTwoTenants, 9), (Numbers{0, 1, 2}));
}

TEST(Admission, BatchedWorkThatWasPreemptedNeedNotGatherAgain) {
  Queue queue{queued(1, 0, 10, 5)};
  queue[0].has_run = true;
  EXPECT_EQ(admission_order({.size = 3, .seconds = 2}, 5.5, queue, kTwoTenants, 9), (Numbers{0}));
}

}  // namespace
}  // namespace autoglm
