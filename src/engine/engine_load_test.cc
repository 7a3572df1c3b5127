#include "engine/engine_load.h"

#include <gtest/gtest.h>

namespace autoglm {
namespace {

EngineLoad busy() {
  EngineLoad load{.by_class = {},
                  .max_sequences = 4,
                  .tokens_to_place = 10,
                  .seconds_per_row = 0.01,
                  .seconds_per_step = 0.1,
                  .answer_tokens = 50};
  load.by_class[0] = {.n_sequences = 2, .n_waiting = 0, .prompt_tokens = 100, .answer_tokens = 0};
  load.by_class[2] = {.n_sequences = 4, .n_waiting = 2, .prompt_tokens = 400, .answer_tokens = 200};
  return load;
}

TEST(EngineLoad, WhereAPlaceIsFreeOnlyPromptsAheadAreWaitedFor) {
  EXPECT_DOUBLE_EQ(seconds_to_begin(busy(), ServiceClass::kInteractive), 1.0);
}

TEST(EngineLoad, LessUrgentWorkWaitsForAllThatIsAhead) {
  EXPECT_DOUBLE_EQ(seconds_to_begin(busy(), ServiceClass::kOffline), 5.0 + 2.0 + 1.0);
  EXPECT_DOUBLE_EQ(seconds_to_drain(busy()), 8.0);
}

TEST(EngineLoad, AnAnswerEndsAfterItsPromptAndAsManyStepsAsAnswersUsuallyTake) {
  const Newcomer newcomer{.prompt_tokens = 30, .max_tokens = 1000};
  EXPECT_DOUBLE_EQ(seconds_to_end(busy(), newcomer), 1.0 + 0.3 + 5.0);
  const Newcomer brief{.prompt_tokens = 30, .max_tokens = 2};
  EXPECT_DOUBLE_EQ(seconds_to_end(busy(), brief), 1.0 + 0.3 + 0.2);
}

TEST(EngineLoad, NothingKnownRefusesNothing) {
  EXPECT_EQ(seconds_to_end({}, {.prompt_tokens = 100'000, .max_tokens = 100'000}), 0);
}

}  // namespace
}  // namespace autoglm
