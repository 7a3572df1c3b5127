// "All right" is made with a prediction: the answer of plain decoding, handed in as what the answer
// will be. It is the most that speculation can give on this model and machine.
#include "cli/bench_speculation.h"

#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

namespace autoglm {
namespace {

using Clock = std::chrono::steady_clock;

struct Run {
  std::vector<TokenId> tokens;
  double decode_s = 0;   // first token to last
  int64_t accepted = 0;  // drafted tokens among them
};

Result<Run> run_once(const GLMModel& model, GenerationRequest request) {
  struct State {
    std::mutex mutex;
    std::condition_variable ended;
    bool last = false;
    std::vector<TokenId> tokens;
    Clock::time_point first_at, last_at;
  };
  const auto state = std::make_shared<State>();
  const int64_t accepted_before = model.stats().spec_decode_accepted_tokens;
  AGLM_TRY(model.submit(std::move(request), [state](const GenerationEvent& event) {
    const std::lock_guard lock(state->mutex);
    if (!event.tokens.empty()) {
      state->last_at = Clock::now();
      if (state->tokens.empty()) state->first_at = state->last_at;
      state->tokens.insert(state->tokens.end(), event.tokens.begin(), event.tokens.end());
    }
    state->last = event.last;
    if (event.last) state->ended.notify_one();
  }));
  std::unique_lock lock(state->mutex);
  state->ended.wait(lock, [&] { return state->last; });
  // The engine publishes its numbers after the step's last event.
  while (model.stats().requests_running > 0) std::this_thread::yield();
  return Run{std::move(state->tokens),
             std::chrono::duration<double>(state->last_at - state->first_at).count(),
             model.stats().spec_decode_accepted_tokens - accepted_before};
}

}  // namespace

Result<std::vector<SpeculationRow>> bench_speculation(const GLMModel& model,
                                                      const SpeculationBench& bench) {
  GenerationRequest plain{.prompt = bench.prompt};
  plain.sampling.temperature = 0;
  plain.sampling.max_tokens = bench.generate_tokens + 1;
  plain.sampling.ignore_eos = true;
  GenerationRequest speculated = plain;
  plain.sampling.num_speculative_tokens = 0;
  // Not measured: it touches the weights, and its answer is the one that the others must give.
  const Run expected = AGLM_TRY(run_once(model, plain));
  GenerationRequest all_right = speculated;
  all_right.prediction = expected.tokens;
  const std::vector<std::pair<std::string, const GenerationRequest*>> tests = {
      {"plain", &plain}, {"speculated", &speculated}, {"all drafts right", &all_right}};

  const auto n = static_cast<double>(bench.generate_tokens);
  std::vector<SpeculationRow> rows(tests.size());
  std::vector<int64_t> accepted(tests.size());
  for (int repetition = 0; repetition < bench.repetitions; ++repetition) {
    for (size_t i = 0; i < tests.size(); ++i) {
      const Run run = AGLM_TRY(run_once(model, *tests[i].second));
      if (run.tokens != expected.tokens) {
        return Error{.code = ErrorCode::kCorrupt,
                     .what = "the answer is not the one of plain decoding",
                     .where = tests[i].first};
      }
      rows[i].tokens_per_second.push_back(n / run.decode_s);
      accepted[i] += run.accepted;
    }
  }
  for (size_t i = 0; i < tests.size(); ++i) {
    rows[i].test = fmt::format("decode {} {}", bench.generate_tokens, tests[i].first);
    const double tokens = n * bench.repetitions;
    rows[i].tokens_per_step = tokens / (tokens - static_cast<double>(accepted[i]));
  }
  return rows;
}

std::vector<TokenId> repeating_prompt(int64_t vocab_size, int length, int block) {
  std::mt19937_64 random(1);
  std::uniform_int_distribution<int32_t> id(0, static_cast<int32_t>(vocab_size) - 1);
  std::vector<TokenId> prompt;
  for (int i = 0; i < length; ++i) {
    prompt.push_back(i < block ? TokenId{id(random)} : prompt[static_cast<size_t>(i - block)]);
  }
  return prompt;
}

}  // namespace autoglm
