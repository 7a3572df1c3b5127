// Pages shared between requests: what is found, by whom, after a restart, when it is damaged.
#include <gtest/gtest.h>

#include <random>

#include "engine/testing/core_fixture.h"

namespace autoglm {
namespace {

TEST(EngineCore, WhatBeginsAlikeIsComputedOnce) {
  Fixture f(kLimits, kRoomy);
  const GenerationRequest first = long_question({1, 2, 3}, 1);
  int64_t rows = 0;
  EXPECT_EQ(ask(f, 1, first, &rows).result.usage.cached_tokens, 0);
  EXPECT_EQ(rows, 21);
  const GenerationRequest second = long_question({7, 8}, 1);
  const Outcome outcome = ask(f, 2, second, &rows);
  EXPECT_EQ(outcome.result.usage.cached_tokens, 16);
  EXPECT_EQ(rows, 4);
  expect_same(outcome, run_alone(second, 0), true);
  EXPECT_EQ(f.core.stats().prefix_cache_queries, 41);
  EXPECT_EQ(f.core.stats().prefix_cache_hits, 16);
}

TEST(EngineCore, ASecondTurnFindsTheFirstTurnsAnswer) {
  Fixture f(kLimits, kRoomy);
  GenerationRequest request = long_question({}, 9);
  const Outcome first = ask(f, 1, request);
  const auto& answer = first.result.choices[0].tokens;
  request.prompt.insert(request.prompt.end(), answer.begin(), answer.end());
  request.prompt.push_back(TokenId{3});
  // 27 tokens, of which the answer's last was never computed.
  EXPECT_EQ(ask(f, 2, request).result.usage.cached_tokens, 24);
}

TEST(EngineCore, TheSamePromptAskedTwiceStillComputesItsLastToken) {
  Fixture f(kLimits, kRoomy);
  const GenerationRequest request = long_question({1, 2}, 3);  // five pages to the token
  ask(f, 1, request);
  const Outcome again = ask(f, 2, request);
  EXPECT_EQ(again.result.usage.cached_tokens, 16);
  expect_same(again, run_alone(request, 0), true);
}

TEST(EngineCore, OtherTenantsAndOtherSaltsFindNothing) {
  Fixture f(kLimits, kRoomy);
  GenerationRequest request = long_question({}, 1);
  request.scheduling = {.tenant = "a", .cache_salt = "b"};
  ask(f, 1, request);
  for (const Scheduling& other : {Scheduling{.tenant = "ab"}, Scheduling{.cache_salt = "ab"},
                                  Scheduling{.tenant = "a"}, Scheduling{}}) {
    GenerationRequest asked = request;
    asked.scheduling = other;
    EXPECT_EQ(ask(f, 2, asked).result.usage.cached_tokens, 0);
  }
  EXPECT_EQ(ask(f, 3, request).result.usage.cached_tokens, 16);
}

TEST(EngineCore, WhatIsAskedAtOnceWaitsForThePagesThatAnotherIsComputing) {
  Fixture f(kLimits, kRoomy);
  GenerationRequest request = long_question({1, 2}, 1);
  request.sampling.n = 4;
  int64_t rows = 0;
  ask(f, 1, request, &rows);
  EXPECT_EQ(rows, 20 + 3 * 4) << "four answers, one prompt";
}

TEST(EngineCore, PromptLogprobsAreComputedHoweverMuchIsCached) {
  Fixture f(kLimits, kRoomy);
  GenerationRequest request = long_question({1, 2}, 2);
  ask(f, 1, request);
  request.sampling.prompt_logprobs = 1;
  const Outcome outcome = ask(f, 2, request);
  EXPECT_EQ(outcome.result.usage.cached_tokens, 0);
  expect_same(outcome, run_alone(request, 0), true);
}

TEST(EngineCore, AConversationIsFoundAgainAfterARestart) {
  ExecutorLimits limits = kLimits;
  const SpillFile file;
  const GenerationRequest request = long_question({1, 2}, 3);
  {
    Fixture f(limits, kRoomy, file.open(limits, 32));
    ask(f, 1, request);
    f.core.save();
    EXPECT_GT(f.core.stats().kv_spill_pages_written, 4);
  }
  Fixture f(limits, kRoomy, file.open(limits, 32));
  ASSERT_EQ(f.core.check_invariants(), std::nullopt);
  const Outcome outcome = ask(f, 1, request);
  EXPECT_EQ(outcome.result.usage.cached_tokens, 16);
  expect_same(outcome, run_alone(request, 0), true);
}

TEST(EngineCore, ADamagedPageIsComputedAgain) {
  ExecutorLimits limits = kLimits;
  const SpillFile file;
  const GenerationRequest request = long_question({1, 2}, 3);
  {
    Fixture f(limits, kRoomy, file.open(limits, 32));
    ask(f, 1, request);
    f.core.save();
  }
  std::mt19937 random(1);
  file.damage(random, 200);
  Fixture f(limits, kRoomy, file.open(limits, 32));
  const Outcome outcome = ask(f, 1, request);
  EXPECT_EQ(outcome.result.usage.cached_tokens, 0);
  EXPECT_EQ(f.core.stats().kv_spill_failures, 1);
  expect_same(outcome, run_alone(request, 0), true);
  EXPECT_EQ(f.core.check_invariants(), std::nullopt);
}

}  // namespace
}  // namespace autoglm
