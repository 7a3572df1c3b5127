// Lengths follow from costs and rates that the tests make up.
#include "engine/speculation/pace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace autoglm {
namespace {

using testing::ElementsAre;

TEST(StepCost, IsTheMedianAndForgetsSlowSteps) {
  StepCost cost;
  EXPECT_EQ(cost.seconds(1), 0);
  for (const double seconds : {9.0, 1.0, 1.0, 8.0, 1.0}) cost.add(3, seconds);
  EXPECT_EQ(cost.seconds(3), 1);
  EXPECT_TRUE(cost.known(3));
  EXPECT_FALSE(cost.known(2));
  EXPECT_FALSE(cost.known(400));
}

TEST(StepCost, DrawsALineBetweenWhatWasMeasured) {
  StepCost cost;
  cost.add(2, 1);
  cost.add(6, 3);
  EXPECT_EQ(cost.seconds(1), 1);
  EXPECT_EQ(cost.seconds(4), 2);
  EXPECT_EQ(cost.seconds(9), 3) << "beyond the largest it is hoped to cost no more";
}

TEST(StepCost, ForgetsOldMeasurements) {
  StepCost cost;
  cost.add(5, 1);
  for (int i = 0; i < 300; ++i) cost.add(1, 0.5);
  EXPECT_FALSE(cost.known(5));
  EXPECT_EQ(cost.seconds(5), 0.5);
}

TEST(AcceptanceRate, BeginsAtThePriorAndFollowsWhatHappens) {
  AcceptanceRate rate;
  EXPECT_EQ(rate.rate(0.6), 0.6);
  for (int i = 0; i < 100; ++i) rate.add(true);
  EXPECT_GT(rate.rate(0.6), 0.95);
  for (int i = 0; i < 100; ++i) rate.add(false);
  EXPECT_LT(rate.rate(0.6), 0.1);
  for (int i = 0; i < 2000; ++i) rate.forget();
  EXPECT_NEAR(rate.rate(0.6), 0.6, 0.01) << "what is never tried is tried again";
}

StepCost measured(double base, double per_row, int32_t rows) {
  StepCost cost;
  for (int32_t i = 1; i <= rows; ++i) cost.add(i, base + per_row * i);
  return cost;
}

TEST(Pace, MeasuresAPlainStepFirst) {
  const std::vector<DraftChance> one = {{.rate = 0.9, .most = 8}};
  EXPECT_THAT(choose_lengths(StepCost(), StepCost(), one, 8), ElementsAre(0));
  StepCost cost;
  cost.add(1, 1);
  EXPECT_THAT(choose_lengths(cost, StepCost(), one, 8), ElementsAre(8)) << "then tries it out";
}

TEST(Pace, DraftsAsFarAsRowsAreCheapAndDraftsRight) {
  const StepCost cheap = measured(1, 0.02, 20);
  const StepCost dear = measured(0, 1, 20);
  const auto length = [](const StepCost& cost, double rate) {
    const std::vector<DraftChance> one = {{.rate = rate, .most = 8}};
    return choose_lengths(cost, StepCost(), one, 8)[0];
  };
  EXPECT_EQ(length(cheap, 0.99), 8);
  EXPECT_EQ(length(cheap, 0), 0);
  EXPECT_GE(length(cheap, 0.5), 2);
  EXPECT_LT(length(cheap, 0.5), 6);
  EXPECT_EQ(length(dear, 0.9), 0) << "a row costs as much as a step: a loss at any length";
}

TEST(Pace, GivesTheRowsToThoseThatAreRight) {
  const StepCost cheap = measured(1, 0.001, 20);
  const std::vector<DraftChance> chances = {
      {.rate = 0.05, .most = 8}, {.rate = 0.95, .most = 8}, {.rate = 0.9, .most = 0}};
  const auto lengths = choose_lengths(cheap, StepCost(), chances, 6);
  EXPECT_EQ(lengths[1], 6);
  EXPECT_EQ(lengths[0], 0);
  EXPECT_EQ(lengths[2], 0);
}

TEST(Pace, CountsTheDraftModelsOwnTime) {
  const StepCost cheap = measured(1, 0.01, 20);
  const auto length = [&](double draft_seconds) {
    const std::vector<DraftChance> one = {{.rate = 0.8, .most = 8, .from_model = true}};
    return choose_lengths(cheap, measured(draft_seconds, 0, 4), one, 8)[0];
  };
  EXPECT_GT(length(0.05), 3);
  EXPECT_LT(length(0.3), length(0.05));
  EXPECT_EQ(length(0.9), 0) << "a draft model nearly as slow as the target";
}

TEST(Pace, WithoutWeighingDealsTheRowsOutInTurn) {
  const std::vector<DraftChance> chances = {{.most = 5}, {.most = 1}, {.most = 5}};
  EXPECT_THAT(longest_lengths(chances, 6), ElementsAre(3, 1, 2));
  EXPECT_THAT(longest_lengths(chances, 100), ElementsAre(5, 1, 5));
  EXPECT_THAT(longest_lengths(chances, 0), ElementsAre(0, 0, 0));
}

}  // namespace
}  // namespace autoglm
