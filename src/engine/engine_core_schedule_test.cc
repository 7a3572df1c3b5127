// Classes, tenants and deadlines, as requests feel them.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "engine/testing/core_fixture.h"

namespace autoglm {
namespace {

TEST(EngineCore, AnUrgentRequestTakesAnOfflineOnesPlaceAndItGoesOnWithoutAChangedByte) {
  CoreOptions options = kRoomy;
  options.max_batch_size = 2;
  Fixture f(kLimits, options);
  std::vector<Outcome> outcomes(3);
  std::vector<GenerationRequest> requests;
  for (int32_t i = 0; i < 3; ++i) {
    requests.push_back(
        request_of({i, 2, 3}, {.temperature = 1, .max_tokens = 20, .ignore_eos = true}));
    requests.back().scheduling.priority = i < 2 ? 2 : 0;
  }
  const auto add = [&](size_t i) {
    f.core.add({.id = i, .request = requests[i], .on_event = [&outcomes, i](const auto& event) {
                  record(outcomes[i], event);
                }});
  };
  add(0);
  add(1);
  for (int i = 0; i < 6; ++i) f.core.step();
  add(2);
  f.core.step();
  EXPECT_EQ(outcomes[2].result.choices.size(), 1U) << "its first token comes with the next step";
  EXPECT_EQ(f.core.stats().preemptions, 1);
  rows_until_idle(f);
  for (size_t i = 0; i < 3; ++i) expect_same(outcomes[i], run_alone(requests[i], 0), true);
}

TEST(EngineCore, GivesAStepOfOfflineWorkUpForAnUrgentRequestButNeverTwoInARow) {
  std::atomic<bool> urgent = false;
  CoreOptions options = kRoomy;
  options.urgent = &urgent;
  Fixture f(kLimits, options);
  std::vector<Outcome> outcomes(2);
  std::vector<GenerationRequest> requests;
  const auto add = [&](size_t i, int32_t priority) {
    requests.push_back(request_of({static_cast<int32_t>(i), 2, 3, 4, 5},
                                  {.temperature = 1, .max_tokens = 9, .ignore_eos = true}));
    requests.back().scheduling.priority = priority;
    f.core.add({.id = i, .request = requests[i], .on_event = [&outcomes, i](const auto& event) {
                  record(outcomes[i], event);
                }});
  };
  add(0, 2);
  urgent = true;  // and stays: as if they came without end
  f.core.step();
  EXPECT_EQ(f.core.stats().steps_given_up, 1);
  EXPECT_EQ(f.core.stats().steps, 0);
  f.core.step();
  EXPECT_EQ(f.core.stats().steps, 1);
  f.core.step();
  EXPECT_EQ(f.core.stats().steps_given_up, 2);
  add(1, 0);
  f.core.step();
  EXPECT_EQ(f.core.stats().steps, 2) << "with urgent rows in it, a step is finished";
  EXPECT_EQ(f.core.check_invariants(), std::nullopt);
  rows_until_idle(f);
  for (size_t i = 0; i < 2; ++i) expect_same(outcomes[i], run_alone(requests[i], 0), true);
}

TEST(EngineCore, ATenantThatComesLateGetsItsShareOfABusyEngine) {
  CoreOptions options = kRoomy;
  options.max_batch_size = 1;
  options.tenant_weights = {{"heavy", 3}};
  Fixture f(kLimits, options);
  std::vector<std::string> order;
  for (uint64_t i = 0; i < 40; ++i) {
    const std::string tenant = i % 2 == 0 ? "heavy" : "light";
    GenerationRequest request =
        request_of({static_cast<int32_t>(i % 26), 2, 3}, {.max_tokens = 3, .ignore_eos = true});
    request.scheduling.tenant = tenant;
    f.core.add({.id = i, .request = request, .on_event = [&order, tenant](const auto& event) {
                  if (event.last) order.push_back(tenant);
                }});
  }
  rows_until_idle(f);
  EXPECT_NEAR(static_cast<double>(std::count(order.begin(), order.begin() + 24, "heavy")), 18, 1);
}

TEST(EngineCore, AnAnswerThatIsNotReadyInTimeEnds) {
  Fixture f(kLimits, kRoomy);
  GenerationRequest request = request_of({1, 2}, {.max_tokens = 30, .ignore_eos = true});
  request.scheduling.timeout_ms = 5000;
  const Outcome outcome = ask(f, 1, request);
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->where, "timeout_ms");
  EXPECT_EQ(outcome.error->reason, ErrorReason::kDeadlinePassed);
  EXPECT_EQ(outcome.result.choices[0].tokens.size(), 6U) << "one a second";
}

TEST(EngineCore, BatchedRequestsGatherBeforeTheyBegin) {
  CoreOptions options = kRoomy;
  options.window = {.size = 3, .seconds = 10};
  Fixture f(kLimits, options);
  int ended = 0;
  const auto add = [&](uint64_t id, double at) {
    GenerationRequest request = request_of({1, 2}, {.max_tokens = 1});
    request.scheduling.priority = 1;
    f.core.add({.id = id, .request = request, .accepted_at = at, .on_event = [&](const auto& e) {
                  ended += e.last ? 1 : 0;
                }});
  };
  add(1, 0);
  add(2, 0);
  EXPECT_EQ(f.core.resting_until(), 10);
  f.core.step();
  EXPECT_EQ(f.core.stats().steps, 0);
  add(3, 1);
  EXPECT_EQ(f.core.resting_until(), std::nullopt);
  f.core.step();
  EXPECT_EQ(ended, 3) << "three are enough";
  add(4, 1);
  f.now = 10.5;
  f.core.step();
  EXPECT_EQ(ended, 3);
  f.now = 11.5;
  f.core.step();
  EXPECT_EQ(ended, 4);
}

}  // namespace
}  // namespace autoglm
