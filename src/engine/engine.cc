// The thread's loop: take the inbox, compute a step, publish numbers; sleep when there is nothing.
#include "engine/engine.h"

#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

namespace autoglm {
namespace {

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

uint64_t system_random() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

CoreOptions with_clock(CoreOptions options) {
  if (!options.clock) options.clock = steady_seconds;
  return options;
}

CoreOptions completed(CoreOptions options, Executor* draft) {
  options.draft = draft;
  return with_clock(std::move(options));
}

}  // namespace

struct Engine::State {
  State(std::unique_ptr<Executor> runs, std::unique_ptr<Executor> drafts,
        std::shared_ptr<const Tokenizer> spells, EngineOptions options)
      : executor(std::move(runs)),
        draft(std::move(drafts)),
        tokenizer(std::move(spells)),
        max_queue(options.max_queue),
        max_batch_size(options.core.max_batch_size),
        clock(with_clock(options.core).clock),
        core(*executor, *tokenizer, completed(std::move(options.core), draft.get())) {}

  const std::unique_ptr<Executor> executor, draft;
  const std::shared_ptr<const Tokenizer> tokenizer;
  const int32_t max_queue;
  const int32_t max_batch_size;
  const std::function<double()> clock;
  EngineCore core;  // the engine thread's, but for request_limits()
  std::thread thread;

  mutable std::mutex mutex;  // for all below
  std::condition_variable wake, changed;
  std::vector<Job> inbox;
  std::vector<uint64_t> cancels;
  bool cancel_all = false, draining = false, stopping = false;
  std::shared_ptr<EngineObserver> observer;
  uint64_t last_id = 0;
  EngineStats stats;        // after the last step
  int64_t n_waiting = 0;    // requests in the core's queue that have not run
  int64_t n_sequences = 0;  // in the core
  int64_t inbox_sequences = 0;
  bool idle = true;  // of the core
};

Engine::Engine(std::unique_ptr<Executor> executor, std::unique_ptr<Executor> draft,
               std::shared_ptr<const Tokenizer> tokenizer, EngineOptions options)
    : state_(std::make_shared<State>(std::move(executor), std::move(draft), std::move(tokenizer),
                                     std::move(options))) {
  state_->thread = std::thread([state = state_] { run(state); });
}

Engine::~Engine() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->draining = state_->stopping = state_->cancel_all = true;
  }
  state_->wake.notify_all();
  // On its own thread, from a callback that held the last handle, it cannot wait for itself.
  if (state_->thread.get_id() == std::this_thread::get_id()) {
    state_->thread.detach();
  } else {
    state_->thread.join();
  }
}

void Engine::run(const std::shared_ptr<State>& state) {
  State& s = *state;
  std::vector<Job> jobs;
  std::vector<uint64_t> cancels;
  std::unique_lock lock(s.mutex);
  while (true) {
    s.wake.wait(lock, [&] {
      return !s.idle || !s.inbox.empty() || !s.cancels.empty() || s.cancel_all || s.stopping;
    });
    jobs.swap(s.inbox);
    s.inbox_sequences = 0;
    cancels.swap(s.cancels);
    const bool cancel_all = std::exchange(s.cancel_all, false);
    const bool stopping = s.stopping;
    // Until the step is over, these count as waiting.
    s.n_waiting += std::ssize(jobs);
    for (const Job& job : jobs) s.n_sequences += job.request.sampling.n;
    s.idle = false;
    s.core.observe(s.observer);
    lock.unlock();

    for (Job& job : jobs) s.core.add(std::move(job));
    jobs.clear();
    for (const uint64_t id : cancels) s.core.cancel(id);
    cancels.clear();
    if (cancel_all) s.core.cancel_all();
    if (!s.core.idle()) s.core.step();

    lock.lock();
    s.stats = s.core.stats();
    s.n_waiting = s.core.waiting_requests();
    s.n_sequences = s.core.n_sequences();
    s.idle = s.core.idle();
    if (s.idle && s.inbox.empty()) s.changed.notify_all();
    if (stopping && s.idle && s.inbox.empty()) return;
  }
}

Result<uint64_t> Engine::accept(Job job, int32_t n_sequences) {
  State& s = *state_;
  if (job.request.request_id.empty()) {
    job.request.request_id = fmt::format("{:016x}", system_random());
  }
  job.seed = job.request.sampling.seed ? *job.request.sampling.seed : system_random();
  job.accepted_at = s.clock();
  const std::lock_guard lock(s.mutex);
  if (s.draining) {
    return Error{.code = ErrorCode::kUnavailable,
                 .what = "the engine takes no more requests: it is shutting down",
                 .where = "engine"};
  }
  const int64_t waiting = s.n_waiting + std::ssize(s.inbox);
  const int64_t sequences = s.n_sequences + s.inbox_sequences + n_sequences;
  if (waiting >= s.max_queue && sequences > s.max_batch_size) {
    return Error{.code = ErrorCode::kResourceExhausted,
                 .what = "the queue is full",
                 .where = "engine",
                 .expected = fmt::format("at most {} waiting requests", s.max_queue),
                 .found = fmt::format("{}", waiting)};
  }
  const uint64_t id = job.id = ++s.last_id;
  s.inbox.push_back(std::move(job));
  s.inbox_sequences += n_sequences;
  s.wake.notify_one();
  return id;
}

Result<uint64_t> Engine::submit(GenerationRequest request, GenerationCallback on_event) {
  AGLM_TRY(check_request(request, state_->core.request_limits()));
  const int32_t n = request.sampling.n;
  return accept({.request = std::move(request), .on_event = std::move(on_event)}, n);
}

Result<uint64_t> Engine::submit_embedding(std::vector<TokenId> tokens,
                                          EmbeddingCallback on_embedding) {
  AGLM_TRY(check_prompt(tokens, state_->core.request_limits()));
  return accept({.request = {.prompt = std::move(tokens)}, .on_embedding = std::move(on_embedding)},
                1);
}

void Engine::cancel(uint64_t id) {
  const std::lock_guard lock(state_->mutex);
  state_->cancels.push_back(id);
  state_->wake.notify_one();
}

EngineStats Engine::stats() const {
  const std::lock_guard lock(state_->mutex);
  EngineStats stats = state_->stats;
  stats.requests_waiting += std::ssize(state_->inbox);
  return stats;
}

void Engine::observe(std::shared_ptr<EngineObserver> observer) {
  const std::lock_guard lock(state_->mutex);
  state_->observer = std::move(observer);
}

void Engine::drain(int64_t timeout_ms) {
  State& s = *state_;
  std::unique_lock lock(s.mutex);
  s.draining = true;
  const auto done = [&] { return s.idle && s.inbox.empty(); };
  if (s.changed.wait_for(lock, std::chrono::milliseconds(timeout_ms), done)) return;
  s.cancel_all = true;
  s.wake.notify_one();
  s.changed.wait(lock, done);
}

}  // namespace autoglm
