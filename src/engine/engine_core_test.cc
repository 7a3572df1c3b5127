// The core in a seeded simulation: random requests arrive and are cancelled at random while a pool
// of a few pages preempts all the time, and tokens are drafted in every way there is. After every
// step the invariants hold; at the end every answer equals, bit for bit, the one that its request
// gets when it is alone and nothing is drafted.
#include "engine/engine_core.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <random>

#include "engine/testing/fakes.h"

namespace autoglm {
namespace {

constexpr int32_t kVocabulary = 26;
const FakeTokenizer kTokenizer(kVocabulary);

// All that a request's events said, put together.
struct Outcome {
  GenerationResult result;
  std::vector<Usage> usages;
  std::optional<Error> error;
  int n_last = 0;
  int n_events = 0;
};

void record(Outcome& outcome, const GenerationEvent& event) {
  ++outcome.n_events;
  EXPECT_EQ(outcome.n_last, 0) << "an event after the last";
  if (event.last) ++outcome.n_last;
  auto& choices = outcome.result.choices;
  const auto which = static_cast<size_t>(event.choice);
  if (choices.size() <= which) choices.resize(which + 1);
  Choice& choice = choices[which];
  EXPECT_EQ(choice.finish_reason, FinishReason::kNone) << "an event after the choice's end";
  if (!event.prompt_logprobs.empty()) {
    EXPECT_EQ(event.choice, 0);
    EXPECT_TRUE(choice.tokens.empty());
    outcome.result.prompt_logprobs = event.prompt_logprobs;
  }
  choice.text += event.text;
  choice.tokens.insert(choice.tokens.end(), event.tokens.begin(), event.tokens.end());
  choice.logprobs.insert(choice.logprobs.end(), event.logprobs.begin(), event.logprobs.end());
  choice.finish_reason = event.finish_reason;
  choice.stop_reason = event.stop_reason;
  outcome.result.usage = event.usage;
  if (event.error) outcome.error = event.error;
}

bool same(const PositionLogprobs& a, const PositionLogprobs& b) {
  const auto equal = [](const TokenLogprob& x, const TokenLogprob& y) {
    return x.id == y.id && x.logprob == y.logprob && x.rank == y.rank;
  };
  return equal(a.taken, b.taken) &&
         std::equal(a.top.begin(), a.top.end(), b.top.begin(), b.top.end(), equal);
}

// `whole`: also the end must be the same; else `a` may be a beginning of `b`.
void expect_same(const Outcome& a, const Outcome& b, bool whole) {
  ASSERT_LE(a.result.choices.size(), b.result.choices.size());
  for (size_t i = 0; i < a.result.choices.size(); ++i) {
    const Choice& x = a.result.choices[i];
    const Choice& y = b.result.choices[i];
    ASSERT_LE(x.tokens.size(), y.tokens.size());
    EXPECT_TRUE(std::equal(x.tokens.begin(), x.tokens.end(), y.tokens.begin()));
    EXPECT_TRUE(std::equal(x.logprobs.begin(), x.logprobs.end(), y.logprobs.begin(), same));
    EXPECT_EQ(x.text, y.text.substr(0, x.text.size()));
    if (!whole) continue;
    EXPECT_EQ(x.tokens.size(), y.tokens.size());
    EXPECT_EQ(x.text, y.text);
    EXPECT_EQ(x.finish_reason, y.finish_reason);
    EXPECT_EQ(x.stop_reason, y.stop_reason);
  }
  if (!whole) return;
  ASSERT_EQ(a.result.prompt_logprobs.size(), b.result.prompt_logprobs.size());
  for (size_t i = 1; i < a.result.prompt_logprobs.size(); ++i) {
    EXPECT_TRUE(same(*a.result.prompt_logprobs[i], *b.result.prompt_logprobs[i])) << i;
  }
  EXPECT_EQ(a.result.usage.completion_tokens, b.result.usage.completion_tokens);
}

struct Fixture {
  FakeExecutor executor, draft;
  double now = 0;
  EngineCore core;

  Fixture(ExecutorLimits limits, CoreOptions options)
      : executor(limits),
        draft(draft_limits(limits)),
        core((static_cast<void>(executor.reserve_pages(options.n_pages)),
              static_cast<void>(draft.reserve_pages(options.n_pages)), executor),
             kTokenizer, completed(options)) {}
  // The draft model's vocabulary is padded otherwise, and its context ends earlier.
  static ExecutorLimits draft_limits(ExecutorLimits limits) {
    limits.vocab_size -= 1;
    limits.max_context = 30;
    return limits;
  }
  CoreOptions completed(CoreOptions options) {
    options.clock = [this] { return now; };
    if (options.speculation.method == "draft_model") options.draft = &draft;
    return options;
  }
};

constexpr ExecutorLimits kLimits{.max_rows = 64,
                                 .max_output_rows = 16,
                                 .vocab_size = kVocabulary,
                                 .hidden_size = 5,
                                 .max_context = 64,
                                 .page_tokens = 4,
                                 .page_bytes = 16};
const CoreOptions kRoomy{.n_pages = 64,
                         .max_model_len = 64,
                         .max_batch_size = 8,
                         .max_batched_tokens = 32,
                         .end = {TokenId{4}, {TokenId{4}, TokenId{5}}}};

Outcome run_alone(const GenerationRequest& request, uint64_t seed, int64_t memory = 1000) {
  Fixture f(kLimits, kRoomy);
  f.executor.memory = memory;
  Outcome outcome;
  f.core.add({.id = 1, .request = request, .seed = seed, .on_event = [&](const auto& event) {
                record(outcome, event);
              }});
  while (!f.core.idle()) f.core.step();
  EXPECT_EQ(outcome.n_last, 1);
  return outcome;
}

class Simulation {
 public:
  explicit Simulation(uint32_t seed) : random_(seed) {
    ExecutorLimits limits = kLimits;
    limits.page_tokens = pick(1, 6);
    options_ = kRoomy;
    options_.max_model_len = 40;
    options_.n_pages = static_cast<int32_t>(pages_for(40, limits.page_tokens)) + pick(0, 12);
    options_.max_batch_size = pick(1, 6);
    options_.max_batched_tokens = options_.max_batch_size + pick(0, 20);
    limits.max_rows = options_.max_batched_tokens;
    limits.max_output_rows = options_.max_batch_size + pick(0, 12);
    constexpr std::array kMethods = {"none", "ngram", "draft_model"};
    SpeculationOptions& speculation = options_.speculation;
    speculation.method = kMethods[static_cast<size_t>(pick(0, 2))];
    speculation.num_speculative_tokens = pick(1, 7);
    speculation.prompt_lookup_min = pick(1, 3);
    speculation.prompt_lookup_max = speculation.prompt_lookup_min + pick(0, 2);
    speculation.adaptive = pick(0, 1) == 0;
    fixture_.emplace(limits, options_);
    memory_ = pick(0, 1) == 0 ? 2 : 1000;
    fixture_->executor.memory = fixture_->draft.memory = memory_;
    fixture_->draft.error_every = static_cast<uint64_t>(pick(0, 4));
    // Rows cost next to nothing, or as much as a step of their own.
    const double row_seconds = pick(0, 1) == 0 ? 0.01 : 1;
    fixture_->executor.on_step = [this, row_seconds](const StepInput& input) {
      fixture_->now += 1 + row_seconds * static_cast<double>(input.tokens.size());
    };
    fixture_->draft.on_step = [this](const StepInput&) { fixture_->now += 0.1; };
  }

  void run() {
    EngineCore& core = fixture_->core;
    const int n_requests = pick(1, 25);
    int arrived = 0;
    int64_t steps = 0;
    while (arrived < n_requests || !core.idle()) {
      while (arrived < n_requests && (core.idle() || pick(0, 2) == 0)) add(++arrived);
      if (arrived > 0 && pick(0, 15) == 0) cancel(static_cast<uint64_t>(pick(1, arrived)));
      if (core.idle()) continue;
      fixture_->now += 1;
      core.step();
      ASSERT_EQ(core.check_invariants(), std::nullopt);
      // Every step moves the oldest; even with each answer computed alone, row by row, and again
      // for each of its tokens, this would be enough.
      ASSERT_LT(++steps, 40 * 40 * 3 * 25) << "starvation";
    }
    stats = core.stats();
    int64_t accepted = 0;
    for (int64_t at_place : stats.spec_decode_accepted_per_position) accepted += at_place;
    ASSERT_EQ(stats.spec_decode_accepted_tokens, accepted);
    ASSERT_LE(accepted, stats.spec_decode_draft_tokens);
    for (auto& [id, job] : jobs_) {
      SCOPED_TRACE(id);
      ASSERT_EQ(job.outcome.n_last, 1);
      expect_same(job.outcome, run_alone(job.request, job.seed, memory_), !job.cancelled);
    }
    EXPECT_EQ(core.stats().kv_cache_usage, 0);
  }

  EngineStats stats;

 private:
  struct Asked {
    GenerationRequest request;
    uint64_t seed = 0;
    Outcome outcome;
    bool cancelled = false;
  };
  int32_t pick(int32_t low, int32_t high) {
    return low + static_cast<int32_t>(random_() % static_cast<uint32_t>(high - low + 1));
  }

  void add(int id) {
    Asked& job = jobs_[static_cast<uint64_t>(id)];
    GenerationRequest& request = job.request;
    for (int n = pick(1, 20); n > 0; --n) request.prompt.push_back(TokenId{pick(0, 25)});
    SamplingParams& s = request.sampling;
    s.max_tokens = pick(0, 20);
    s.temperature = pick(0, 2) * 0.6;
    if (pick(0, 3) == 0) s.top_k = pick(1, 8);
    if (pick(0, 3) == 0) s.top_p = 0.7;
    if (pick(0, 3) == 0) s.repetition_penalty = 1.3;
    if (pick(0, 3) == 0) s.frequency_penalty = 0.4;
    if (pick(0, 3) == 0) s.min_tokens = pick(0, static_cast<int32_t>(*s.max_tokens));
    if (pick(0, 3) == 0) s.stop = {"ab", "c", "xyz"};
    if (pick(0, 3) == 0) s.stop_token_ids = {TokenId{7}, TokenId{8}};
    s.ignore_eos = pick(0, 1) == 0;
    if (pick(0, 2) == 0) s.n = pick(2, 3);
    if (pick(0, 2) == 0) s.logprobs = pick(0, 3);
    if (pick(0, 2) == 0) s.prompt_logprobs = pick(0, 3);
    if (pick(0, 3) == 0) s.num_speculative_tokens = pick(0, 4);
    if (pick(0, 3) == 0) {
      for (int n = pick(1, 9); n > 0; --n) request.prediction.push_back(TokenId{pick(0, 25)});
    }
    job.seed = random_();
    ASSERT_TRUE(check_request(request, fixture_->core.request_limits()));
    fixture_->core.add({.id = static_cast<uint64_t>(id),
                        .request = request,
                        .seed = job.seed,
                        .accepted_at = fixture_->now,
                        .on_event = [&job](const auto& event) { record(job.outcome, event); }});
  }

  void cancel(uint64_t id) {
    Asked& job = jobs_[id];
    if (job.outcome.n_last == 0) job.cancelled = true;
    fixture_->core.cancel(id);
    ASSERT_EQ(job.outcome.n_last, 1);
    ASSERT_EQ(fixture_->core.check_invariants(), std::nullopt);
  }

  std::mt19937 random_;
  CoreOptions options_;
  int64_t memory_ = 0;
  std::optional<Fixture> fixture_;
  std::map<uint64_t, Asked> jobs_;
};

TEST(EngineCore, AnswersAreTheSameInAnyCompany) {
  int64_t preemptions = 0, accepted = 0, rejected = 0;
  for (uint32_t seed = 0; seed < 600; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Simulation simulation(seed);
    simulation.run();
    const EngineStats& stats = simulation.stats;
    preemptions += stats.preemptions;
    accepted += stats.spec_decode_accepted_tokens;
    rejected += stats.spec_decode_draft_tokens - stats.spec_decode_accepted_tokens;
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(preemptions, 400) << "the pools are too large to test anything";
  EXPECT_GT(accepted, 3000);
  EXPECT_GT(rejected, 3000);
}

GenerationRequest request_of(std::vector<int32_t> prompt, SamplingParams sampling) {
  GenerationRequest request{.sampling = std::move(sampling)};
  for (const int32_t id : prompt) request.prompt.push_back(TokenId{id});
  return request;
}

TEST(EngineCore, PromptLogprobsCoverEveryTokenButTheFirst) {
  const auto request =
      request_of({1, 2, 3, 4, 5, 6, 7}, {.temperature = 0, .max_tokens = 1, .prompt_logprobs = 2});
  const Outcome outcome = run_alone(request, 1);
  ASSERT_EQ(outcome.result.prompt_logprobs.size(), 7U);
  EXPECT_FALSE(outcome.result.prompt_logprobs[0]);
  for (int32_t i = 1; i < 7; ++i) {
    EXPECT_EQ(outcome.result.prompt_logprobs[static_cast<size_t>(i)]->taken.id, TokenId{i + 1});
    EXPECT_EQ(outcome.result.prompt_logprobs[static_cast<size_t>(i)]->top.size(), 2U);
  }
}

TEST(EngineCore, NoTokensAskedGivesThePromptsLogprobsAndEnds) {
  const auto request = request_of({1, 2, 3}, {.max_tokens = 0, .prompt_logprobs = 0});
  const Outcome outcome = run_alone(request, 1);
  EXPECT_EQ(outcome.result.prompt_logprobs.size(), 3U);
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
    predicting.prediction = tokens;
    if (wrong_in_the_middle) predicting.prediction.insert(predicting.prediction.begin() + 9, 2, {});
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

}  // namespace
}  // namespace autoglm
