// What the core gives for a request: log-probabilities, embeddings, errors, drafts, observations.
// Company, preemption and sharing are engine_core_simulation_test.cc's matter.
#include "engine/engine_core.h"

#include <gmock/gmock.h>

#include <new>

#include "engine/testing/core_fixture.h"

namespace autoglm {
namespace {

TEST(EngineCore, PromptLogprobsCoverEveryTokenButTheFirst) {
  const auto request =
      request_of({1, 2, 3, 4, 5, 6, 7}, {.temperature = 0, .max_tokens = 1, .prompt_logprobs = 2});
  const Outcome outcome = run_alone(request, 1);
  ASSERT_EQ(outcome.result.prompt_logprobs->size(), 7U);
  EXPECT_FALSE((*outcome.result.prompt_logprobs)[0]);
  for (int32_t i = 1; i < 7; ++i) {
    EXPECT_EQ((*outcome.result.prompt_logprobs)[static_cast<size_t>(i)]->taken.id, TokenId{i + 1});
    EXPECT_EQ((*outcome.result.prompt_logprobs)[static_cast<size_t>(i)]->top.size(), 2U);
  }
}

TEST(EngineCore, NoTokensAskedGivesThePromptsLogprobsAndEnds) {
  const auto request = request_of({1, 2, 3}, {.max_tokens = 0, .prompt_logprobs = 0});
  const Outcome outcome = run_alone(request, 1);
  EXPECT_EQ(outcome.result.prompt_logprobs->size(), 3U);
  ASSERT_EQ(outcome.result.choices.size(), 1U);
  EXPECT_TRUE(outcome.result.choices[0].tokens.empty());
  EXPECT_EQ(outcome.result.choices[0].finish_reason, FinishReason::kLength);
}

TEST(EngineCore, LogitsThatAreNotNumbersEndTheRequestWithAnError) {
  Fixture f(kLimits, kRoomy);
  Outcome broken, whole;
  f.core.add({.id = 1,
              .request = request_of({1, 2}, {.max_tokens = 5, .ignore_eos = true}),
              .on_event = [&](const auto& event) { record(broken, event); }});
  f.core.add({.id = 2,
              .request = request_of({3}, {.max_tokens = 5, .ignore_eos = true}),
              .on_event = [&](const auto& event) { record(whole, event); }});
  f.executor.next_nan = 3;
  while (!f.core.idle()) f.core.step();
  EXPECT_EQ(broken.result.choices[0].finish_reason, FinishReason::kError);
  EXPECT_EQ(broken.result.choices[0].tokens.size(), 1U);
  EXPECT_TRUE(broken.error.has_value());
  EXPECT_EQ(whole.result.choices[0].tokens.size(), 5U);
  EXPECT_EQ(f.core.check_invariants(), std::nullopt);
}

// Requests that request_check.h would never let in: the core must not trust it with the process.
TEST(EngineCore, AFaultOfOursEndsTheRequestThatMetItAndNoOther) {
  std::vector<TokenId> endless(2000, TokenId{3});
  const std::pair<const char*, GenerationRequest> cases[] = {
      {"empty stop string", request_of({1, 2}, {.max_tokens = 5, .stop = {"b", ""}, .n = 2})},
      {"does not fit into the pool", {.prompt = endless, .sampling = {.max_tokens = 5}}},
  };
  for (const auto& [message, request] : cases) {
    CoreOptions options = kRoomy;
    options.n_pages = 32;
    Fixture f(kLimits, options);
    Outcome broken, whole;
    f.core.add({.id = 1, .request = request, .on_event = [&](const auto& event) {
                  record(broken, event);
                }});
    f.core.add({.id = 2,
                .request = request_of({3}, {.max_tokens = 5, .ignore_eos = true}),
                .on_event = [&](const auto& event) { record(whole, event); }});
    for (int step = 0; step < 100 && !f.core.idle(); ++step) {
      f.core.step();
      ASSERT_EQ(f.core.check_invariants(), std::nullopt) << message;
    }
    ASSERT_TRUE(f.core.idle()) << message;
    ASSERT_TRUE(broken.error.has_value()) << message;
    EXPECT_EQ(broken.error->code, ErrorCode::kInternal);
    EXPECT_THAT(broken.error->message(), testing::HasSubstr(message));
    EXPECT_THAT(broken.error->message(), testing::Not(testing::HasSubstr("/")));
    EXPECT_EQ(f.core.stats().internal_errors, request.sampling.n);
    EXPECT_EQ(whole.result.choices[0].tokens.size(), 5U);
  }
}

TEST(EngineCore, EmbeddingsAreTheScaledMeanAndTheSameInAnyCompany) {
  std::vector<TokenId> tokens;
  for (int32_t i = 0; i < 30; ++i) tokens.push_back(TokenId{i % 26});
  const auto embed = [&](bool in_company) {
    ExecutorLimits limits = kLimits;
    CoreOptions options = kRoomy;
    if (in_company) {
      options.max_batched_tokens = limits.max_rows = 9;
      options.max_batch_size = 4;
      limits.max_output_rows = 5;
      options.n_pages = 16;
    }
    Fixture f(limits, options);
    bool logits = false;
    f.executor.on_step = [&](const StepInput& input) { logits |= input.logits; };
    std::vector<float> embedding;
    const auto talk = [&](uint64_t id) {
      f.core.add({.id = id,
                  .request = request_of({1, 2}, {.max_tokens = 50, .ignore_eos = true}),
                  .on_event = [](const auto&) {}});
    };
    if (in_company) talk(1);
    f.core.add({.id = 2, .request = {.prompt = tokens}, .on_embedding = [&](auto result) {
                  ASSERT_TRUE(result);
                  embedding = *result;
                }});
    if (in_company) talk(3);
    while (!f.core.idle()) f.core.step();
    EXPECT_EQ(f.core.check_invariants(), std::nullopt);
    EXPECT_EQ(logits, in_company);
    return embedding;
  };
  const auto alone = embed(false);
  ASSERT_EQ(alone.size(), 5U);
  double squares = 0;
  for (const float x : alone) squares += static_cast<double>(x) * x;
  EXPECT_NEAR(squares, 1, 1e-6);
  EXPECT_EQ(alone, embed(true));
}

// An answer of 200 tokens, repeating itself after a few, by steps of 1 + `row_seconds` a row.
EngineStats speculated(SpeculationOptions speculation, double row_seconds,
                       std::optional<int32_t> asked = std::nullopt) {
  ExecutorLimits limits = kLimits;
  limits.max_context = 256;
  CoreOptions options = kRoomy;
  options.n_pages = 80;
  options.max_model_len = 256;
  options.speculation = std::move(speculation);
  Fixture f(limits, options);
  f.executor.memory = 1;
  f.executor.on_step = [&](const StepInput& input) {
    f.now += 1 + row_seconds * static_cast<double>(input.tokens.size());
  };
  GenerationRequest request = request_of(
      {1, 2},
      {.temperature = 0, .max_tokens = 200, .ignore_eos = true, .num_speculative_tokens = asked});
  f.core.add({.id = 1, .request = std::move(request), .on_event = [](const auto&) {}});
  while (!f.core.idle()) f.core.step();
  EXPECT_EQ(f.core.stats().generation_tokens, 200);
  return f.core.stats();
}

TEST(EngineCore, DraftsWhereItPaysAndNotWhereItIsALoss) {
  const SpeculationOptions adaptive{.method = "ngram", .num_speculative_tokens = 4};
  EXPECT_LT(speculated(adaptive, 0.01).steps, 80);
  const EngineStats dear = speculated(adaptive, 100);
  EXPECT_GT(dear.steps, 180) << "a row costs as much as a step";
  EXPECT_LT(dear.spec_decode_drafts, 10) << "it was tried, and given up";
  SpeculationOptions always = adaptive;
  always.adaptive = false;
  EXPECT_LT(speculated(always, 100).steps, 80);
}

TEST(EngineCore, ARequestMayDraftLessThanTheEngineOrNothing) {
  const SpeculationOptions always{
      .method = "ngram", .num_speculative_tokens = 4, .adaptive = false};
  EXPECT_EQ(speculated(always, 0, 0).steps, 200);
  const EngineStats one = speculated(always, 0, 1);
  EXPECT_EQ(one.spec_decode_draft_tokens, one.spec_decode_drafts);
  EXPECT_LT(one.steps, 130);
  EXPECT_EQ(speculated(always, 0, 100).steps, speculated(always, 0).steps);
}

TEST(EngineCore, APredictionIsTakenSeveralTokensAStepAndCounted) {
  const auto request = request_of({3, 1}, {.temperature = 0.8, .max_tokens = 21});
  const Outcome plain = run_alone(request, 5);
  const auto& tokens = plain.result.choices[0].tokens;
  for (const bool wrong_in_the_middle : {false, true}) {
    GenerationRequest predicting = request;
    std::vector<TokenId> prediction = tokens;
    if (wrong_in_the_middle) prediction.insert(prediction.begin() + 9, 2, {});
    predicting.prediction = prediction;
    CoreOptions options = kRoomy;
    options.speculation = {.method = "draft_model", .num_speculative_tokens = 5, .adaptive = false};
    Fixture f(kLimits, options);
    f.draft.error_every = 1;
    Outcome outcome;
    f.core.add({.id = 1, .request = predicting, .seed = 5, .on_event = [&](const auto& event) {
                  record(outcome, event);
                }});
    while (!f.core.idle()) f.core.step();
    expect_same(plain, outcome, true);
    const Usage& usage = outcome.result.usage;
    if (!wrong_in_the_middle) {
      EXPECT_EQ(f.core.stats().steps, 1 + (std::ssize(tokens) - 1 + 5) / 6);
      EXPECT_EQ(usage.rejected_prediction_tokens, 0);
    } else {
      EXPECT_GT(usage.rejected_prediction_tokens, 0);
    }
    EXPECT_GT(usage.accepted_prediction_tokens, std::ssize(tokens) / 3);
  }
}

TEST(EngineCore, TellsTheObserverTimesAndRows) {
  struct Observer : EngineObserver {
    void on_step(const StepObservation& step) override { steps.push_back(step); }
    void on_request_end(const RequestObservation& request) override { requests.push_back(request); }
    std::vector<StepObservation> steps;
    std::vector<RequestObservation> requests;
  };
  const auto observer = std::make_shared<Observer>();
  Fixture f(kLimits, kRoomy);
  f.core.observe(observer);
  f.core.add({.id = 1,
              .request = request_of({1, 2, 3}, {.max_tokens = 3, .ignore_eos = true}),
              .accepted_at = -2,
              .on_event = [](const auto&) {}});
  while (!f.core.idle()) {
    f.now += 1;
    f.core.step();
  }
  ASSERT_EQ(observer->steps.size(), 3U);
  EXPECT_EQ(observer->steps[0].prefill_rows, 3);
  EXPECT_EQ(observer->steps[0].time_to_first_token, (std::vector<double>{3}));
  EXPECT_EQ(observer->steps[1].decode_rows, 1);
  EXPECT_EQ(observer->steps[1].inter_token, (std::vector<double>{1}));
  ASSERT_EQ(observer->requests.size(), 1U);
  const RequestObservation& seen = observer->requests[0];
  EXPECT_EQ(seen.finish_reason, FinishReason::kLength);
  EXPECT_EQ(seen.queued, 3);
  EXPECT_EQ(seen.decode, 2);
  EXPECT_EQ(seen.end_to_end, 5);
  EXPECT_EQ(seen.usage.completion_tokens, 3);
  EXPECT_EQ(f.core.stats().generation_tokens, 3);
  EXPECT_EQ(f.core.stats().prompt_tokens, 3);
}

TEST(EngineCore, AfterAStepThatFoundNoMemoryAllEndAndWorkGoesOn) {
  const auto request = request_of({3, 1, 2}, {.temperature = 0.8, .max_tokens = 12, .n = 2});
  const Outcome expected = run_alone(request, 5);
  for (int failing_step = 1; failing_step < 9; ++failing_step) {
    CoreOptions options = kRoomy;
    options.max_batch_size = 2;  // some wait
    Fixture f(kLimits, options);
    std::vector<Outcome> outcomes(3);
    int n_embedded = 0;
    for (uint64_t i = 0; i < outcomes.size(); ++i) {
      f.core.add(
          {.id = i + 1, .request = request, .seed = 5, .on_event = [&, i](const auto& event) {
             record(outcomes[i], event);
           }});
    }
    f.core.add({.id = 9, .request = {.prompt = request.prompt}, .on_embedding = [&](auto) {
                  ++n_embedded;
                }});
    int steps = 0;
    f.executor.on_step = [&](const StepInput&) {
      if (++steps == failing_step) throw std::bad_alloc();
    };
    const auto run = [&] {
      while (!f.core.idle()) f.core.step();
    };
    EXPECT_THROW(run(), std::bad_alloc);
    f.core.recover(Error{.code = ErrorCode::kUnavailable, .what = "no memory"});
    EXPECT_TRUE(f.core.idle());
    EXPECT_EQ(f.core.check_invariants(), std::nullopt);
    for (const Outcome& outcome : outcomes) EXPECT_EQ(outcome.n_last, 1);
    EXPECT_EQ(n_embedded, 1);
    f.executor.on_step = nullptr;
    Outcome again;
    f.core.add({.id = 20, .request = request, .seed = 5, .on_event = [&](const auto& event) {
                  record(again, event);
                }});
    run();
    ASSERT_EQ(again.result.choices.size(), 2U);
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(again.result.choices[i].tokens, expected.result.choices[i].tokens);
    }
  }
}

}  // namespace
}  // namespace autoglm
