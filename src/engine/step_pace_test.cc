#include "engine/step_pace.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

namespace autoglm {
namespace {

double machine(int64_t rows) { return 0.02 + 0.005 * static_cast<double>(rows); }

TEST(StepPace, LimitsNothingBeforeTheFirstStep) {
  const StepPace pace;
  EXPECT_FALSE(pace.known());
  EXPECT_EQ(pace.seconds(100), 0);
  EXPECT_EQ(pace.rows_within(0.1), INT32_MAX);
}

TEST(StepPace, LearnsWhatAStepAndARowCost) {
  StepPace pace;
  for (int i = 0; i < 20; ++i) {
    for (const int64_t rows : {1, 16, 80}) pace.add(rows, machine(rows));
  }
  EXPECT_NEAR(pace.seconds(40), machine(40), 1e-3);
  EXPECT_NEAR(pace.rows_within(0.27), 50, 1);
  EXPECT_EQ(pace.rows_within(0.001), 1);
}

TEST(StepPace, KeepsTheSlopeThroughStepsThatAreAllAlike) {
  StepPace pace;
  for (int i = 0; i < 20; ++i) {
    for (const int64_t rows : {1, 16, 80}) pace.add(rows, machine(rows));
  }
  for (int i = 0; i < 500; ++i) pace.add(16, machine(16));
  EXPECT_NEAR(pace.seconds(80), machine(80), 2e-2);
}

TEST(StepPace, FollowsAMachineThatBecomesSlower) {
  StepPace pace;
  for (int i = 0; i < 60; ++i) {
    for (const int64_t rows : {1, 16, 80}) pace.add(rows, machine(rows));
  }
  for (int i = 0; i < 100; ++i) {
    for (const int64_t rows : {1, 16, 80}) pace.add(rows, 3 * machine(rows));
  }
  EXPECT_NEAR(pace.seconds(40), 3 * machine(40), 0.03);
}

TEST(StepPace, ThinksLittleOfOneStepThatWasHeldUp) {
  StepPace pace;
  for (int i = 0; i < 20; ++i) {
    for (const int64_t rows : {1, 16, 80}) pace.add(rows, machine(rows));
  }
  pace.add(1, 5.0);
  EXPECT_LT(pace.seconds(16), 1.3 * machine(16));
  EXPECT_GT(pace.rows_within(0.27), 30);
}

}  // namespace
}  // namespace autoglm
