// The thread's loop: take the inbox, compute a step, publish numbers; sleep when there is nothing.
#include "engine/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/thread_pool.h"
#include "text/grammar/compile.h"

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

CoreOptions completed(CoreOptions options, Executor* draft, KvSpill* spill,
                      const std::atomic<bool>& urgent, std::function<void()> before_events) {
  options.draft = draft;
  options.spill = spill;
  options.urgent = &urgent;
  options.before_events = std::move(before_events);
  return with_clock(std::move(options));
}

// What a job that was just accepted adds to the work.
void add_to(EngineLoad& load, const Job& job, const RequestLimits& limits) {
  const int32_t n = job.request.sampling.n;
  const auto length = static_cast<double>(answer_limit(job.request, limits));
  EngineLoad::Part& part =
      load.by_class[static_cast<size_t>(service_class(job.request.scheduling.priority))];
  part.n_sequences += n;
  part.n_waiting += n;
  part.prompt_tokens += std::ssize(job.request.prompt) * n;
  if (job.on_event) {
    part.answer_tokens += static_cast<int64_t>(std::min(length, load.answer_tokens)) * n;
  }
}

void add_to(WaitingRequests& waiting, const Job& job) {
  const Scheduling& scheduling = job.request.scheduling;
  waiting.add(service_class(scheduling.priority), scheduling.tenant);
}

}  // namespace

struct Engine::State {
  State(std::unique_ptr<Executor> runs, std::unique_ptr<Executor> drafts,
        std::shared_ptr<const Tokenizer> spells, EngineOptions options)
      : executor(std::move(runs)),
        draft(std::move(drafts)),
        tokenizer(std::move(spells)),
        spill(std::move(options.spill)),
        max_queue(options.max_queue),
        tenant_priorities(std::move(options.tenant_priorities)),
        max_batch_size(options.core.max_batch_size),
        clock(with_clock(options.core).clock),
        grammars(*tokenizer, executor->limits().vocab_size,
                 static_cast<size_t>(options.grammar_cache_bytes)),
        core(*executor, *tokenizer,
             completed(std::move(options.core), draft.get(), spill.get(), urgent, [this] {
               const std::lock_guard lock(mutex);
               read_numbers();
             })) {}

  // With the mutex held, by the engine thread.
  void read_numbers() {
    stats = core.stats();
    load = core.load();
    waiting = core.waiting_requests();
  }

  const std::unique_ptr<Executor> executor, draft;
  const std::shared_ptr<const Tokenizer> tokenizer;
  const std::unique_ptr<KvSpill> spill;
  const int32_t max_queue;
  const std::map<std::string, int32_t> tenant_priorities;
  const int32_t max_batch_size;
  const std::function<double()> clock;
  grammar::GrammarStore grammars;
  std::atomic<bool> urgent = false;  // an interactive request is in the inbox
  EngineCore core;                   // the engine thread's, but for request_limits()
  std::thread thread;

  mutable std::mutex mutex;  // for all below
  std::condition_variable wake, changed;
  std::vector<Job> inbox;
  std::vector<uint64_t> cancels;
  bool cancel_all = false, draining = false, stopping = false;
  std::shared_ptr<EngineObserver> observer;
  uint64_t last_id = 0;
  EngineStats stats;                    // after the last step
  EngineLoad load;                      // the same
  std::optional<double> resting_until;  // steps before would do nothing
  WaitingRequests waiting;              // in the core's queue, and have not run
  bool idle = true;                     // of the core
};

Engine::Engine(std::unique_ptr<Executor> executor, std::unique_ptr<Executor> draft,
               std::shared_ptr<const Tokenizer> tokenizer, EngineOptions options)
    : state_(std::make_shared<State>(std::move(executor), std::move(draft), std::move(tokenizer),
                                     std::move(options))) {
  state_->thread = std::thread([state = state_] {
    name_thread("engine");
    run(state);
  });
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
    const auto news = [&] {
      return !s.inbox.empty() || !s.cancels.empty() || s.cancel_all || s.stopping;
    };
    if (s.idle) {
      s.wake.wait(lock, news);
    } else if (s.resting_until) {
      const std::chrono::duration<double> rest(*s.resting_until - s.clock());
      s.wake.wait_for(lock, rest, news);
    }
    jobs.swap(s.inbox);
    s.urgent = false;
    cancels.swap(s.cancels);
    const bool cancel_all = std::exchange(s.cancel_all, false);
    const bool stopping = s.stopping;
    // Until the step is over, these count as waiting; as far as there is memory to count them.
    try {
      for (const Job& job : jobs) {
        add_to(s.waiting, job);
        add_to(s.load, job, s.core.request_limits());
      }
    } catch (const std::exception&) {
    }
    s.idle = false;
    s.core.observe(s.observer);
    lock.unlock();

    try {
      for (Job& job : jobs) s.core.add(std::move(job));
      jobs.clear();
      for (const uint64_t id : cancels) s.core.cancel(id);
      if (cancel_all) s.core.cancel_all();
      if (!s.core.idle()) s.core.step();
    } catch (const std::exception& problem) {
      logger()->error("all requests end: {}", problem.what());
      end_all(s, jobs);
    }
    cancels.clear();

    lock.lock();
    try {
      s.read_numbers();
    } catch (const std::exception&) {  // no memory for a few numbers: those of the next step come
    }
    s.resting_until = s.core.resting_until();
    s.idle = s.core.idle();
    if (s.idle && s.inbox.empty()) s.changed.notify_all();
    if (stopping && s.idle && s.inbox.empty()) {
      lock.unlock();
      s.core.save();
      return;
    }
  }
}

// After something was thrown, for want of memory mostly. Ending requests gives memory back, so this
// succeeds sooner or later.
void Engine::end_all(State& s, std::vector<Job>& jobs) {
  const Error error{.code = ErrorCode::kUnavailable,
                    .what = "the engine had no memory left and ended all requests",
                    .where = "engine"};
  while (true) {
    try {
      s.core.recover(error);
      break;
    } catch (const std::exception& problem) {
      logger()->error("no memory to end requests: {}", problem.what());
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }
  for (Job& job : std::exchange(jobs, {})) {
    // One that was moved into the core, if only in part, has no callback any more.
    try {
      if (job.on_event) {
        for (int32_t choice = 0; choice < job.request.sampling.n; ++choice) {
          job.on_event({.choice = choice,
                        .finish_reason = FinishReason::kError,
                        .last = choice == job.request.sampling.n - 1,
                        .error = error});
        }
      }
      if (job.on_embedding) job.on_embedding(error);
    } catch (const std::exception& problem) {
      logger()->error("an event was not taken: {}", problem.what());
    }
  }
}

// With the mutex held: what it is refused for, if it is.
Result<void> Engine::admissible(const State& s, const Job& job) {
  if (s.draining) {
    return Error{.code = ErrorCode::kUnavailable,
                 .what = "the engine takes no more requests: it is shutting down",
                 .where = "engine"};
  }
  EngineLoad load = s.load;
  for (const Job& other : s.inbox) add_to(load, other, s.core.request_limits());
  const Scheduling& scheduling = job.request.scheduling;
  const ServiceClass its = service_class(scheduling.priority);
  // Less urgent work makes way.
  int64_t sequences = job.request.sampling.n;
  for (size_t c = 0; c <= static_cast<size_t>(its); ++c) sequences += load.by_class[c].n_sequences;
  if (sequences > s.max_batch_size) {
    WaitingRequests waiting = s.waiting;
    for (const Job& other : s.inbox) add_to(waiting, other);
    AGLM_TRY(waiting.room_for(its, scheduling.tenant, s.max_queue));
  }
  if (!scheduling.timeout_ms) return {};
  const double seconds =
      seconds_to_end(load, {.service_class = its,
                            .prompt_tokens = std::ssize(job.request.prompt),
                            .max_tokens = answer_limit(job.request, s.core.request_limits())});
  if (seconds * 1e3 <= static_cast<double>(*scheduling.timeout_ms)) return {};
  return Error{.code = ErrorCode::kResourceExhausted,
               .what = "the answer would not be ready in time",
               .where = "timeout_ms",
               .expected = fmt::format("about {:.0f} ms", std::ceil(seconds * 1e3)),
               .found = fmt::format("{}", *scheduling.timeout_ms),
               .reason = ErrorReason::kDeadlineUnreachable};
}

Result<uint64_t> Engine::accept(Job job) {
  State& s = *state_;
  Scheduling& scheduling = job.request.scheduling;
  const auto tenant = s.tenant_priorities.find(scheduling.tenant);
  if (tenant != s.tenant_priorities.end()) {
    scheduling.priority = std::max(scheduling.priority, tenant->second);
  }
  if (job.request.request_id.empty()) {
    job.request.request_id = fmt::format("{:016x}", system_random());
  }
  job.seed = job.request.sampling.seed ? *job.request.sampling.seed : system_random();
  job.accepted_at = s.clock();
  const std::lock_guard lock(s.mutex);
  AGLM_TRY(admissible(s, job));
  const uint64_t id = job.id = ++s.last_id;
  if (service_class(scheduling.priority) == ServiceClass::kInteractive) s.urgent = true;
  s.inbox.push_back(std::move(job));
  s.wake.notify_one();
  return id;
}

Result<uint64_t> Engine::submit(GenerationRequest request, GenerationCallback on_event) {
  AGLM_TRY(check_request(request, state_->core.request_limits()));
  std::shared_ptr<grammar::CompiledGrammar> grammar;
  if (request.structured_output->kind != StructuredOutput::Kind::kNone) {
    grammar = AGLM_TRY(state_->grammars.get(*request.structured_output));
  }
  const RequestLimits& limits = state_->core.request_limits();
  // Digests of many numbers: here, and not while others wait for the engine's next step.
  PromptRows rows(*request.inputs, std::ssize(request.prompt), limits.hidden_size,
                  limits.page_tokens);
  return accept({.request = std::move(request),
                 .rows = std::move(rows),
                 .grammar = std::move(grammar),
                 .on_event = std::move(on_event)});
}

bool Engine::knows(const StructuredOutput& wish) const {
  return wish.kind == StructuredOutput::Kind::kNone || state_->grammars.knows(wish);
}

Result<uint64_t> Engine::submit_embedding(std::vector<TokenId> tokens, Scheduling scheduling,
                                          EmbeddingCallback on_embedding) {
  AGLM_TRY(check_prompt(tokens, state_->core.request_limits()));
  AGLM_TRY(check_scheduling(scheduling));
  return accept({.request = {.prompt = std::move(tokens), .scheduling = std::move(scheduling)},
                 .on_embedding = std::move(on_embedding)});
}

void Engine::cancel(uint64_t id) {
  const std::lock_guard lock(state_->mutex);
  state_->cancels.push_back(id);
  state_->wake.notify_one();
}

EngineStats Engine::stats() const {
  const std::lock_guard lock(state_->mutex);
  const State& s = *state_;
  EngineStats stats = s.stats;
  EngineLoad load = s.load;
  for (const Job& job : s.inbox) add_to(load, job, s.core.request_limits());
  stats.seconds_to_drain = seconds_to_drain(load);
  stats.requests_waiting += std::ssize(s.inbox);
  const grammar::CompileCounts grammars = s.grammars.counts();
  stats.grammars_compiled = grammars.compiled;
  stats.grammars_reused = grammars.reused;
  stats.grammar_compile_seconds = grammars.seconds;
  stats.grammar_cache_bytes = grammars.bytes;
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
