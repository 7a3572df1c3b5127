// The core in a seeded simulation: random requests of several tenants, classes and deadlines arrive
// and are cancelled at random while a pool of a few pages preempts all the time, prompts begin
// alike and share pages, pages go to a small file and come back or turn out damaged, and tokens are
// drafted in every way there is, steps are given up. After every step the invariants hold; at the
// end every answer equals, bit for bit, the one that its request gets when it is alone, nothing is
// drafted and nothing shared.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <map>
#include <random>

#include "engine/testing/core_fixture.h"

namespace autoglm {
namespace {

class Simulation {
 public:
  explicit Simulation(uint32_t seed) : random_(seed) {
    ExecutorLimits limits = kLimits;
    limits.page_tokens = pick(1, 6);
    limits.page_bytes = 4 * limits.page_tokens;
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
    options_.prefix_caching = pick(0, 3) != 0;
    options_.max_inter_token_seconds = pick(0, 3) * 4;
    options_.window = {.size = pick(1, 4), .seconds = static_cast<double>(pick(0, 9))};
    options_.tenant_weights = {{"a", 3}, {"b", 0.5}};
    options_.urgent = &urgent_;
    for (int n = pick(1, 3); n > 0; --n) {
      beginnings_.emplace_back();
      for (int i = 0; i < 12; ++i) beginnings_.back().push_back(TokenId{pick(0, 25)});
    }
    const bool spills = options_.prefix_caching && pick(0, 1) == 0;
    fixture_.emplace(limits, options_, spills ? file_.open(limits, pick(1, 12)) : nullptr);
    memory_ = pick(0, 1) == 0 ? 2 : 1000;
    fixture_->executor.memory = fixture_->draft.memory = memory_;
    fixture_->draft.error_every = static_cast<uint64_t>(pick(0, 4));
    // Rows cost next to nothing, or as much as a step of their own.
    const double row_seconds = pick(0, 1) == 0 ? 0.01 : 1;
    fixture_->executor.on_step = [this, row_seconds](const StepInput& input) {
      fixture_->now += 1 + row_seconds * static_cast<double>(input.tokens.size());
      urgent_ = pick(0, 3) == 0;
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
      if (fixture_->spill && pick(0, 3) == 0) file_.damage(random_, 1);
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
      const bool late = job.outcome.error.has_value();
      if (late) {
        ASSERT_TRUE(job.request.scheduling.timeout_ms);
        ASSERT_EQ(job.outcome.error->where, "timeout_ms");
        ++n_late;
      }
      GenerationRequest request = job.request;
      request.scheduling = {};
      expect_same(job.outcome, run_alone(request, job.seed, memory_), !job.cancelled && !late);
      const Usage& usage = job.outcome.result.usage;
      ASSERT_LT(usage.cached_tokens, std::max<int64_t>(usage.prompt_tokens, 1));
      if (!options_.prefix_caching) {
        ASSERT_EQ(usage.cached_tokens, 0);
      }
    }
    core.save();
    ASSERT_EQ(core.check_invariants(), std::nullopt);
    EXPECT_EQ(core.stats().kv_cache_usage, 0);
  }

  EngineStats stats;
  int64_t n_late = 0;

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
    if (pick(0, 2) > 0) {
      const auto& beginning = beginnings_[static_cast<size_t>(pick(0, 99)) % beginnings_.size()];
      request.prompt.assign(beginning.begin(), beginning.begin() + pick(1, 12));
    }
    for (int n = pick(1, 8); n > 0; --n) request.prompt.push_back(TokenId{pick(0, 25)});
    Scheduling& scheduling = request.scheduling;
    scheduling.priority = pick(0, 3) == 0 ? pick(-2, 4) : pick(0, 2);
    constexpr std::array kTenants = {"", "a", "b"};
    scheduling.tenant = kTenants[static_cast<size_t>(pick(0, 2))];
    if (pick(0, 5) == 0) scheduling.cache_salt = "salt";
    if (pick(0, 7) == 0) scheduling.timeout_ms = pick(1, 60) * 1000;
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
      std::vector<TokenId> prediction;
      for (int n = pick(1, 9); n > 0; --n) prediction.push_back(TokenId{pick(0, 25)});
      request.prediction = prediction;
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
  std::atomic<bool> urgent_ = false;  // turns true in the midst of a step, now and then
  SpillFile file_;
  CoreOptions options_;
  std::vector<std::vector<TokenId>> beginnings_;
  int64_t memory_ = 0;
  std::optional<Fixture> fixture_;
  std::map<uint64_t, Asked> jobs_;
};

TEST(EngineCore, AnswersAreTheSameInAnyCompany) {
  int64_t preemptions = 0, accepted = 0, rejected = 0, late = 0, given_up = 0;
  int64_t hits = 0, written = 0, read = 0, damaged = 0;
  for (uint32_t seed = 0; seed < 600; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Simulation simulation(seed);
    simulation.run();
    const EngineStats& stats = simulation.stats;
    preemptions += stats.preemptions;
    late += simulation.n_late;
    given_up += stats.steps_given_up;
    hits += stats.prefix_cache_hits;
    written += stats.kv_spill_pages_written;
    read += stats.kv_spill_pages_read;
    damaged += stats.kv_spill_failures;
    accepted += stats.spec_decode_accepted_tokens;
    rejected += stats.spec_decode_draft_tokens - stats.spec_decode_accepted_tokens;
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(preemptions, 400) << "the pools are too large to test anything";
  EXPECT_GT(accepted, 3000);
  EXPECT_GT(rejected, 3000);
  EXPECT_GT(hits, 3000);
  EXPECT_GT(written, 1000);
  EXPECT_GT(read, 100);
  EXPECT_GT(damaged, 10);
  EXPECT_GT(late, 20);
  EXPECT_GT(given_up, 1000);
}

}  // namespace
}  // namespace autoglm
