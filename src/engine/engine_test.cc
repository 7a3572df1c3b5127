// The engine with its thread: refusals, cancellation, drain, destruction. What the answers are is
// engine_core_test.cc's matter.
#include "engine/engine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>

#include "engine/testing/fakes.h"

namespace autoglm {
namespace {

constexpr ExecutorLimits kLimits{.max_rows = 32,
                                 .max_output_rows = 8,
                                 .vocab_size = 26,
                                 .hidden_size = 4,
                                 .max_context = 400,
                                 .page_tokens = 4,
                                 .page_bytes = 16};

// An executor whose steps wait until the test opens the gate.
class GatedExecutor : public FakeExecutor {
 public:
  GatedExecutor() : FakeExecutor(kLimits) {}
  bool step(const StepInput& input) override {
    std::unique_lock lock(mutex_);
    ++waiting_steps_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
    lock.unlock();
    return FakeExecutor::step(input);
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void wait_for_a_step() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_steps_ > 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int waiting_steps_ = 0;
};

struct Running {
  GatedExecutor* executor;
  std::unique_ptr<Engine> engine;
  explicit Running(EngineOptions options = {}) {
    auto owned = std::make_unique<GatedExecutor>();
    executor = owned.get();
    options.core.n_pages = 100;
    options.core.max_model_len = 400;
    options.core.max_batch_size = 2;
    options.core.max_batched_tokens = 8;
    EXPECT_TRUE(owned->reserve_pages(100));
    engine = std::make_unique<Engine>(std::move(owned), nullptr,
                                      std::make_shared<FakeTokenizer>(26), std::move(options));
  }
};

// The last event of a request, from whatever thread.
struct Last {
  std::promise<GenerationEvent> promise;
  std::future<GenerationEvent> event = promise.get_future();
  GenerationCallback callback() {
    return [this](const GenerationEvent& e) {
      if (e.last) promise.set_value(e);
    };
  }
};

GenerationRequest request_for(int64_t max_tokens) {
  return {.prompt = {TokenId{1}, TokenId{2}},
          .sampling = {.seed = 1, .max_tokens = max_tokens, .ignore_eos = true}};
}

TEST(Engine, AnswersRequestsOfManyThreads) {
  Running running;
  running.executor->open();
  std::vector<Last> lasts(20);
  std::vector<std::thread> threads;
  for (Last& last : lasts) {
    threads.emplace_back(
        [&] { EXPECT_TRUE(running.engine->submit(request_for(7), last.callback())); });
  }
  for (auto& thread : threads) thread.join();
  for (Last& last : lasts) {
    const GenerationEvent event = last.event.get();
    EXPECT_EQ(event.finish_reason, FinishReason::kLength);
    EXPECT_EQ(event.usage.completion_tokens, 7);
    EXPECT_EQ(event.usage.prompt_tokens, 2);
  }
}

TEST(Engine, RefusesWhenTheQueueIsFull) {
  Running running({.max_queue = 1});
  Last first;
  ASSERT_TRUE(running.engine->submit(request_for(3), first.callback()));
  running.executor->wait_for_a_step();
  // The first request counts as waiting until its step is over, which fills the queue; one more
  // place is left in the batch.
  std::vector<Last> more(4);
  std::vector<Error> refusals;
  for (Last& last : more) {
    const auto id = running.engine->submit(request_for(3), last.callback());
    if (!id) refusals.push_back(id.error());
  }
  ASSERT_EQ(refusals.size(), 3U);
  EXPECT_EQ(refusals[0].code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(refusals[0].reason, ErrorReason::kQueueFull);
  running.executor->open();
  EXPECT_EQ(first.event.get().finish_reason, FinishReason::kLength);
  EXPECT_EQ(more[0].event.get().finish_reason, FinishReason::kLength);
}

// Whoever floods one class, or one tenant's part of it, leaves the others their room.
TEST(Engine, AFloodShutsNobodyElseOut) {
  struct Asked {
    int32_t priority;
    const char* tenant;
  };
  constexpr Asked kFloods[] = {{2, ""}, {1, ""}, {0, ""}, {2, "mass"}, {0, "mass"}};
  constexpr Asked kOthers[] = {{0, "a"}, {1, "a"}, {2, "a"}, {0, ""}};
  for (const Asked& floods : kFloods) {
    Running running({.max_queue = 20});
    std::deque<Last> lasts;
    const auto submit = [&](const Asked& asked) {
      GenerationRequest request = request_for(2);
      request.scheduling.priority = asked.priority;
      request.scheduling.tenant = asked.tenant;
      Last& last = lasts.emplace_back();
      const bool taken = running.engine->submit(request, last.callback()).has_value();
      if (!taken) lasts.pop_back();
      return taken;
    };
    int n_taken = 0;
    for (int i = 0; i < 300; ++i) n_taken += submit(floods) ? 1 : 0;
    EXPECT_LE(n_taken, 22) << "those that wait, and a batch of two";
    for (const Asked& other : kOthers) {
      const bool same =
          other.priority == floods.priority && std::string(other.tenant) == floods.tenant;
      EXPECT_EQ(submit(other), !same)
          << "priority " << floods.priority << " of '" << floods.tenant << "' floods; priority "
          << other.priority << " of '" << other.tenant << "' asks";
    }
    running.executor->open();
    for (Last& last : lasts) EXPECT_EQ(last.event.get().finish_reason, FinishReason::kLength);
  }
}

TEST(Engine, AnInteractiveRequestNeedNotWaitForOfflineWorkUnderWay) {
  Running running;
  GenerationRequest offline = request_for(3);
  offline.scheduling.priority = 2;
  Last slow, fast;
  ASSERT_TRUE(running.engine->submit(offline, slow.callback()));
  running.executor->wait_for_a_step();
  ASSERT_TRUE(running.engine->submit(request_for(3), fast.callback()));
  running.executor->open();
  EXPECT_EQ(fast.event.get().usage.completion_tokens, 3);
  EXPECT_EQ(slow.event.get().usage.completion_tokens, 3);
  EXPECT_EQ(running.engine->stats().steps_given_up, 1);
}

TEST(Engine, RefusesAtOnceWhatCannotBeReadyInTime) {
  // A clock that runs while it is looked at: every step takes seconds.
  auto now = std::make_shared<std::atomic<int>>(0);
  EngineOptions options;
  options.core.clock = [now] { return static_cast<double>(++*now); };
  Running running(std::move(options));
  running.executor->open();
  Last first;
  ASSERT_TRUE(running.engine->submit(request_for(20), first.callback()));
  first.event.get();
  GenerationRequest late = request_for(20);
  late.scheduling.timeout_ms = 5000;
  const Result<uint64_t> refused = running.engine->submit(late, [](const auto&) {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(refused.error().where, "timeout_ms");
  EXPECT_EQ(refused.error().reason, ErrorReason::kDeadlineUnreachable);
  late.scheduling.timeout_ms = 1'000'000'000;
  EXPECT_TRUE(running.engine->submit(late, [](const auto&) {}));
}

TEST(Engine, WhoGetsAnEventFindsItInTheNumbers) {
  Running running;
  running.executor->open();
  std::promise<EngineStats> promise;
  ASSERT_TRUE(running.engine->submit(request_for(20), [&](const GenerationEvent& event) {
    if (event.last) promise.set_value(running.engine->stats());
  }));
  const EngineStats stats = promise.get_future().get();
  EXPECT_EQ(stats.requests_running, 0);
  EXPECT_EQ(stats.generation_tokens, 20);
}

TEST(Engine, TheQueuesWorkIsToldInSeconds) {
  auto now = std::make_shared<std::atomic<int>>(0);
  EngineOptions options;
  options.core.clock = [now] { return static_cast<double>(++*now); };
  Running running(std::move(options));
  running.executor->open();
  Last first;
  ASSERT_TRUE(running.engine->submit(request_for(20), first.callback()));
  first.event.get();
  std::vector<Last> more(30);
  for (Last& last : more) {
    ASSERT_TRUE(running.engine->submit(request_for(50), last.callback()));
  }
  EXPECT_GT(running.engine->stats().seconds_to_drain, 28 * 2);
  for (Last& last : more) last.event.get();
}

TEST(Engine, ATenantIsNoMoreUrgentThanItMayBe) {
  EngineOptions options;
  options.tenant_priorities = {{"nightly", 2}};
  Running running(std::move(options));
  std::vector<Last> lasts(3);
  for (size_t i = 0; i < 3; ++i) {
    GenerationRequest request = request_for(300);
    if (i < 2) request.scheduling.tenant = "nightly";
    if (i < 2) request.scheduling.priority = -9;
    ASSERT_TRUE(running.engine->submit(std::move(request), lasts[i].callback()));
    running.executor->wait_for_a_step();
  }
  running.executor->open();
  for (Last& last : lasts) EXPECT_EQ(last.event.get().finish_reason, FinishReason::kLength);
  EXPECT_GE(running.engine->stats().preemptions, 1);
}

TEST(Engine, BatchedWorkThatIsAloneStartsByItself) {
  EngineOptions options;
  options.core.window = {.size = 8, .seconds = 0.01};
  Running running(std::move(options));
  running.executor->open();
  Last last;
  GenerationRequest request = request_for(3);
  request.scheduling.priority = 1;
  ASSERT_TRUE(running.engine->submit(std::move(request), last.callback()));
  EXPECT_EQ(last.event.get().finish_reason, FinishReason::kLength);
}

TEST(Engine, RefusesWhatCanNeverFitWithTheNumbers) {
  Running running;
  const auto id = running.engine->submit(request_for(399), [](const auto&) {});
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(id.error().reason, ErrorReason::kContextTooLong);
  EXPECT_NE(id.error().what.find("401: 2 of the prompt and 399 of the answer"), std::string::npos)
      << id.error().what;
  running.executor->open();
}

TEST(Engine, CancelledRequestsEndAsCancelled) {
  Running running;
  Last last;
  const auto id = running.engine->submit(request_for(300), last.callback());
  running.executor->wait_for_a_step();
  running.engine->cancel(*id);
  running.engine->cancel(12345);
  running.executor->open();
  EXPECT_EQ(last.event.get().finish_reason, FinishReason::kCancelled);
}

TEST(Engine, DrainLetsAcceptedRequestsEndAndTakesNoMore) {
  Running running;
  Last last;
  ASSERT_TRUE(running.engine->submit(request_for(20), last.callback()));
  running.executor->open();
  running.engine->drain(60'000);
  EXPECT_EQ(last.event.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  EXPECT_EQ(last.event.get().finish_reason, FinishReason::kLength);
  const auto refused = running.engine->submit(request_for(1), [](const auto&) {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
}

TEST(Engine, DrainCancelsWhatIsLeftAfterItsTime) {
  Running running;
  Last last;
  ASSERT_TRUE(running.engine->submit(request_for(20), last.callback()));
  running.executor->wait_for_a_step();
  std::thread opener([&] {
    // After the drain has begun; before it, the answer would merely be complete.
    while (running.engine->submit(request_for(1), [](const auto&) {})) {
    }
    running.executor->open();
  });
  running.engine->drain(0);
  opener.join();
  EXPECT_NE(last.event.get().finish_reason, FinishReason::kNone);
}

TEST(Engine, GoingAwayCancelsWhatIsUnderWay) {
  Last last;
  {
    Running running;
    ASSERT_TRUE(running.engine->submit(request_for(300), last.callback()));
    running.executor->open();
  }
  EXPECT_TRUE(last.event.get().last);
}

TEST(Engine, MayGoAwayFromWithinACallback) {
  auto running = std::make_shared<Running>();
  GatedExecutor* executor = running->executor;
  std::promise<void> gone;
  ASSERT_TRUE(running->engine->submit(request_for(1), [&gone, held = running](const auto&) mutable {
    held.reset();
    gone.set_value();
  }));
  running.reset();
  executor->open();
  gone.get_future().get();
}

TEST(Engine, EmbedsBesideAnswers) {
  Running running;
  running.executor->open();
  Last last;
  ASSERT_TRUE(running.engine->submit(request_for(30), last.callback()));
  std::promise<Result<std::vector<float>>> promise;
  ASSERT_TRUE(
      running.engine->submit_embedding(std::vector<TokenId>(50, TokenId{3}), {},
                                       [&](auto result) { promise.set_value(std::move(result)); }));
  const auto embedding = promise.get_future().get();
  ASSERT_TRUE(embedding);
  EXPECT_EQ(embedding->size(), 4U);
  EXPECT_TRUE(last.event.get().last);
}

TEST(Engine, AnEmbeddingsPagesAreItsTenantsAlone) {
  const Scheduling whose{.tenant = "a", .cache_salt = "b"};
  for (const Scheduling& asks : {whose, Scheduling{}, Scheduling{.tenant = "a"},
                                 Scheduling{.cache_salt = "b"}, Scheduling{.tenant = "ab"}}) {
    Running running;
    running.executor->open();
    const std::vector<TokenId> tokens(21, TokenId{3});
    std::promise<void> embedded;
    ASSERT_TRUE(running.engine->submit_embedding(tokens, whose, [&](auto result) {
      EXPECT_TRUE(result);
      embedded.set_value();
    }));
    embedded.get_future().get();
    Last last;
    GenerationRequest request = request_for(1);
    request.prompt = tokens;
    request.scheduling = asks;
    ASSERT_TRUE(running.engine->submit(request, last.callback()));
    const bool same = asks.tenant == whose.tenant && asks.cache_salt == whose.cache_salt;
    EXPECT_EQ(last.event.get().usage.cached_tokens > 0, same)
        << asks.tenant << ", " << asks.cache_salt;
  }
}

TEST(Engine, AnEmbeddingsTenantAndSaltAreCheckedAsAnAnswersAre) {
  Running running;
  running.executor->open();
  const auto refused = [&](const Scheduling& scheduling) {
    return !running.engine->submit_embedding({TokenId{3}}, scheduling, [](const auto&) {});
  };
  EXPECT_TRUE(refused({.tenant = std::string(257, 'x')}));
  EXPECT_TRUE(refused({.cache_salt = std::string(513, 'x')}));
  EXPECT_TRUE(refused({.timeout_ms = 0}));
}

}  // namespace
}  // namespace autoglm
