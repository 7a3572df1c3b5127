#include "engine/sampler.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "engine/philox.h"

namespace autoglm {
namespace {

// The three known answers that come with the authors' Random123 library.
static_assert(philox({0, 0, 0, 0}, 0) ==
              PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
static_assert(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, 0xffffffffffffffff) ==
              PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
static_assert(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0x299f31d0a4093822) ==
              PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Draws {
  SamplingParams params;
  std::vector<TokenId> prompt;
  std::vector<TokenId> end_ids;
  uint64_t seed = 7;
  int32_t choice = 0;
};

std::vector<int32_t> sample(const Draws& setup, const std::vector<float>& logits, int count) {
  Sampler sampler(setup.params, setup.seed, setup.choice, setup.end_ids, setup.prompt);
  SamplerScratch scratch;
  std::vector<int32_t> ids;
  for (int i = 0; i < count; ++i) {
    const auto id = sampler.next(logits, scratch);
    EXPECT_TRUE(id) << id.error().message();
    ids.push_back(static_cast<int32_t>(*id));
  }
  return ids;
}

SamplingParams greedy() { return {.temperature = 0}; }

TEST(Sampler, GreedyTakesTheLargestLogitAndTheLowerIdAmongEquals) {
  EXPECT_EQ(sample({greedy()}, {1, 3, 2, 3}, 1), (std::vector<int32_t>{1}));
}

TEST(Sampler, GreedyStillFollowsBiasAndPenalties) {
  Draws setup{greedy()};
  setup.params.logit_bias = std::map<int32_t, double>{{2, 2.5}};
  EXPECT_EQ(sample(setup, {1, 3, 2, 3}, 1), (std::vector<int32_t>{2}));
  Draws frequency{greedy()};
  frequency.params.frequency_penalty = 0.25;
  EXPECT_EQ(sample(frequency, {3.0F, 2.875F, 2.5F}, 5), (std::vector<int32_t>{0, 1, 0, 1, 0}));
  Draws presence{greedy()};
  presence.params.presence_penalty = 2.0;
  EXPECT_EQ(sample(presence, {3, 2, 0.5}, 4), (std::vector<int32_t>{0, 1, 0, 0}));
}

TEST(Sampler, RepetitionPenaltyDividesPositiveAndMultipliesNegativeLogitsOfPromptAndAnswer) {
  Draws setup{greedy()};
  setup.params.repetition_penalty = 2.0;
  setup.prompt = {TokenId{0}};
  // 4 / 2 = 2 < 3; once 1 was taken, 3 / 2 = 1.5 < 2.
  EXPECT_EQ(sample(setup, {4, 3, -1}, 2), (std::vector<int32_t>{1, 0}));
  // -1 * 2 = -2 < -1.5.
  EXPECT_EQ(sample(setup, {-1, -1.5}, 1), (std::vector<int32_t>{1}));
}

TEST(Sampler, PresenceAndFrequencyPenaltiesLeaveThePromptAlone) {
  Draws setup{greedy()};
  setup.params.presence_penalty = 2.0;
  setup.params.frequency_penalty = 2.0;
  setup.params.repetition_penalty = 1.01;
  setup.prompt = {TokenId{0}, TokenId{0}, TokenId{0}};
  EXPECT_EQ(sample(setup, {4, 3}, 1), (std::vector<int32_t>{0}));
}

TEST(Sampler, TakesNoEndBeforeMinTokens) {
  Draws setup{greedy()};
  setup.params.min_tokens = 2;
  setup.end_ids = {TokenId{1}, TokenId{3}};
  EXPECT_EQ(sample(setup, {1, 9, 2, 8}, 3), (std::vector<int32_t>{2, 2, 1}));
}

TEST(Sampler, WhatIsTakenBackWasNeverDrawn) {
  const Draws setup{.params = {.temperature = 0.8,
                               .repetition_penalty = 1.5,
                               .presence_penalty = 0.5,
                               .frequency_penalty = 0.7,
                               .min_tokens = 3},
                    .prompt = {TokenId{2}, TokenId{5}},
                    .end_ids = {TokenId{1}}};
  const std::vector<float> logits{1, 2, 1.5F, 0.5F, 1.2F, 2.2F};
  const std::vector<int32_t> expected = sample(setup, logits, 12);
  Sampler sampler(setup.params, setup.seed, setup.choice, setup.end_ids, setup.prompt);
  SamplerScratch scratch;
  const std::vector<float> others{3, 1, 1, 1, 2, 1};
  for (const int32_t id : expected) {
    std::vector<TokenId> ahead;
    for (int i = 0; i < 5; ++i) ahead.push_back(*sampler.next(others, scratch));
    for (; !ahead.empty(); ahead.pop_back()) ASSERT_TRUE(sampler.take_back(ahead.back()));
    EXPECT_EQ(*sampler.next(logits, scratch), TokenId{id});
  }
}

TEST(Sampler, ATokenTakenBackThatWasNotDrawnIsAFaultOfOurs) {
  Sampler sampler({.frequency_penalty = 1}, 1, 0, {}, {});
  SamplerScratch scratch;
  const auto fault = [&](int32_t id) {
    const auto taken_back = sampler.take_back(TokenId{id});
    EXPECT_EQ(taken_back ? ErrorCode::kIo : taken_back.error().code, ErrorCode::kInternal);
    return taken_back ? "" : taken_back.error().message();
  };
  EXPECT_THAT(fault(1), testing::HasSubstr("never drawn"));
  const TokenId id = *sampler.next(std::vector<float>{5, 1, 1}, scratch);
  EXPECT_THAT(fault(static_cast<int32_t>(id) + 1), testing::HasSubstr("not the last"));
}

TEST(Sampler, RefusesLogitsThatAreNotNumbers) {
  Sampler sampler(greedy(), 1, 0, {}, {});
  SamplerScratch scratch;
  for (const std::vector<float>& logits : std::vector<std::vector<float>>{
           {1, kNan}, {kNan, kNan}, {kInfinity, 1}, {-kInfinity, -kInfinity}}) {
    EXPECT_FALSE(sampler.next(logits, scratch));
    EXPECT_FALSE(position_logprobs(logits, TokenId{0}, 2, scratch));
  }
  EXPECT_TRUE(sampler.next(std::vector<float>{-kInfinity, 1}, scratch));
  // A NaN that minus infinity would cover.
  Sampler masked({.temperature = 0, .min_tokens = 1}, 1, 0, {TokenId{0}}, {});
  EXPECT_FALSE(masked.next(std::vector<float>{kNan, 1}, scratch));
}

// What the distribution should be, from the definitions, by sorting everything.
std::vector<double> expected_distribution(const SamplingParams& params,
                                          const std::vector<float>& logits) {
  std::vector<size_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return logits[a] > logits[b]; });
  if (params.top_k > 0 && params.top_k < std::ssize(order)) order.resize(params.top_k);
  std::vector<double> p(logits.size(), 0.0);
  const auto normalise = [&] {
    double sum = 0;
    for (const double x : p) sum += x;
    for (double& x : p) x /= sum;
  };
  for (const size_t id : order) {
    p[id] = std::exp((static_cast<double>(logits[id]) - logits[order[0]]) / params.temperature);
  }
  normalise();
  double before = 0;
  for (const size_t id : order) {
    const double own = p[id];
    if (before >= params.top_p) p[id] = 0;
    before += own;
  }
  const double largest = p[order[0]];
  for (double& x : p) {
    if (x < params.min_p * largest) x = 0;
  }
  normalise();
  return p;
}

TEST(Sampler, DrawsFromTheDistributionThatTheParametersDefine) {
  std::mt19937 random(1);
  const std::vector<SamplingParams> all = {
      {.temperature = 1.0},
      {.temperature = 0.7},
      {.temperature = 1.6, .top_k = 5},
      {.temperature = 1.0, .top_p = 0.8},
      {.temperature = 1.3, .top_k = 20, .top_p = 0.9},
      {.temperature = 1.0, .min_p = 0.1},
      {.temperature = 1.2, .top_p = 0.95, .min_p = 0.05},
      {.temperature = 0.9, .top_k = 12, .top_p = 0.97, .min_p = 0.02},
  };
  for (size_t which = 0; which < all.size(); ++which) {
    SCOPED_TRACE(which);
    std::vector<float> logits(40);
    for (float& logit : logits) logit = std::normal_distribution<float>(0, 2)(random);
    logits[3] = logits[17];  // a tie
    const auto p = expected_distribution(all[which], logits);
    constexpr int kDraws = 20000;
    std::vector<int> counts(logits.size(), 0);
    for (const int32_t id : sample({all[which], {}, {}, 100 + which}, logits, kDraws)) ++counts[id];
    // Pearson's chi-square; classes that expect fewer than five draws go together.
    double chi_square = 0, rest_expected = 0, rest_found = 0;
    int classes = 0;
    for (size_t id = 0; id < p.size(); ++id) {
      if (p[id] == 0) {
        EXPECT_EQ(counts[id], 0) << id;
      } else if (p[id] * kDraws < 5) {
        rest_expected += p[id] * kDraws;
        rest_found += counts[id];
      } else {
        const double difference = counts[id] - p[id] * kDraws;
        chi_square += difference * difference / (p[id] * kDraws);
        ++classes;
      }
    }
    if (rest_expected >= 5) {
      chi_square += (rest_found - rest_expected) * (rest_found - rest_expected) / rest_expected;
      ++classes;
    }
    // Mean k, standard deviation sqrt(2k): four of them is one in ten thousand.
    const double freedom = classes - 1;
    EXPECT_LT(chi_square, freedom + 4 * std::sqrt(2 * freedom) + 1e-9);
  }
}

TEST(Sampler, TheSeedTheChoiceAndThePositionDecideAndNothingElse) {
  const std::vector<float> flat(1000, 0.5F);
  const Draws base{{.temperature = 1.0}};
  Draws other_seed = base, other_choice = base;
  other_seed.seed = 8;
  other_choice.choice = 1;
  const auto ids = sample(base, flat, 50);
  EXPECT_EQ(ids, sample(base, flat, 50));
  EXPECT_NE(ids, sample(other_seed, flat, 50));
  EXPECT_NE(ids, sample(other_choice, flat, 50));
}

TEST(Logprobs, AreTheLogSoftmaxOfTheRawLogitsWithRanks) {
  const std::vector<float> logits{0.0F, std::log(2.0F), std::log(4.0F), std::log(2.0F), -kInfinity};
  SamplerScratch scratch;
  const auto result = position_logprobs(logits, TokenId{3}, 3, scratch);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->taken.id, TokenId{3});
  EXPECT_EQ(result->taken.rank, 3);
  EXPECT_NEAR(result->taken.logprob, std::log(2.0 / 9), 1e-6);
  ASSERT_EQ(result->top.size(), 3U);
  EXPECT_EQ(result->top[0].id, TokenId{2});
  EXPECT_NEAR(result->top[0].logprob, std::log(4.0 / 9), 1e-6);
  EXPECT_EQ(result->top[1].id, TokenId{1});
  EXPECT_EQ(result->top[2].id, TokenId{3});
  EXPECT_EQ(result->top[2].logprob, result->taken.logprob);
  EXPECT_TRUE(position_logprobs(logits, TokenId{0}, 0, scratch)->top.empty());
  EXPECT_EQ(position_logprobs(logits, TokenId{0}, 20, scratch)->top.size(), 5U);
}

}  // namespace
}  // namespace autoglm
