// The thread's loop: take the inbox, compute a step, publish numbers, tell results; sleep when
// there is nothing.
#include "engine/encoder/encoder_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/thread_pool.h"

namespace autoglm {
namespace {

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

EncoderCoreOptions with_clock(EncoderCoreOptions options) {
  if (!options.clock) options.clock = steady_seconds;
  return options;
}

const Error kNoMemory{.code = ErrorCode::kUnavailable,
                      .what = "the engine had no memory left and ended all requests",
                      .where = "engine"};

// Ending requests gives memory back, so this succeeds sooner or later.
void recover(EncoderCore& core) {
  while (true) {
    try {
      return core.recover(kNoMemory);
    } catch (const std::exception& problem) {
      logger()->error("no memory to end requests: {}", problem.what());
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }
}

void tell(std::vector<EndedEncoding> ended) {
  for (EndedEncoding& one : ended) {
    try {
      one.on_result(std::move(one.result));
    } catch (const std::exception& problem) {
      logger()->error("a result was not taken: {}", problem.what());
    }
  }
}

}  // namespace

struct EncoderEngine::State {
  State(std::unique_ptr<Executor> runs, EncoderEngineOptions options)
      : executor(std::move(runs)),
        max_queue(options.max_queue),
        tenant_priorities(std::move(options.tenant_priorities)),
        clock(with_clock(options.core).clock),
        core(*executor, with_clock(std::move(options.core))) {}

  // With the mutex held, by the engine thread.
  void read_numbers() {
    stats = core.stats();
    waiting = core.waiting_requests();
    seconds_per_row = core.seconds_per_row();
    for (size_t i = 0; i < rows.size(); ++i) rows[i] = core.waiting_rows(ServiceClass(i));
    resting_until = core.resting_until();
  }

  const std::unique_ptr<Executor> executor;
  const int32_t max_queue;
  const std::map<std::string, int32_t> tenant_priorities;
  const std::function<double()> clock;
  EncoderCore core;  // the engine thread's, but for check()
  std::thread thread;

  mutable std::mutex mutex;  // for all below
  std::condition_variable wake, changed;
  std::vector<EncodingJob> inbox;
  std::vector<uint64_t> cancels;
  bool cancel_all = false, draining = false, stopping = false;
  std::shared_ptr<EngineObserver> observer;
  uint64_t last_id = 0;
  // After the last step:
  EngineStats stats;
  WaitingRequests waiting;
  double seconds_per_row = 0;
  std::array<int64_t, 3> rows{};        // that wait, of each class and those before it
  std::optional<double> resting_until;  // steps before would do nothing
  bool idle = true;                     // of the core
};

EncoderEngine::EncoderEngine(std::unique_ptr<Executor> executor, EncoderEngineOptions options)
    : state_(std::make_shared<State>(std::move(executor), std::move(options))) {
  state_->thread = std::thread([state = state_] {
    name_thread("engine");
    run(state);
  });
}

EncoderEngine::~EncoderEngine() {
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

void EncoderEngine::work(State& s, std::vector<EncodingJob>& jobs,
                         const std::vector<uint64_t>& cancels, bool cancel_all) {
  try {
    for (EncodingJob& job : jobs) s.core.add(std::move(job));
    jobs.clear();
    for (const uint64_t id : cancels) s.core.cancel(id);
    if (cancel_all) s.core.cancel_all();
    if (!s.core.idle()) s.core.step();
  } catch (const std::exception& problem) {
    logger()->error("all requests end: {}", problem.what());
    recover(s.core);
    for (EncodingJob& job : std::exchange(jobs, {})) {
      // One that was moved into the core has no callback any more.
      if (job.on_result) job.on_result(kNoMemory);
    }
  }
}

void EncoderEngine::run(const std::shared_ptr<State>& state) {
  State& s = *state;
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
    std::vector<EncodingJob> jobs = std::exchange(s.inbox, {});
    const std::vector<uint64_t> cancels = std::exchange(s.cancels, {});
    const bool cancel_all = std::exchange(s.cancel_all, false);
    const bool stopping = s.stopping;
    s.idle = false;
    s.core.observe(s.observer);
    lock.unlock();
    work(s, jobs, cancels, cancel_all);
    lock.lock();
    try {
      s.read_numbers();
    } catch (const std::exception&) {  // no memory for a few numbers: those of the next step come
    }
    lock.unlock();
    // Whoever gets a result finds it in the numbers.
    tell(s.core.take_ended());
    lock.lock();
    s.idle = s.core.idle();
    if (s.idle && s.inbox.empty()) s.changed.notify_all();
    if (stopping && s.idle && s.inbox.empty()) return;
  }
}

// With the mutex held: what it is refused for, if it is.
Result<void> EncoderEngine::admissible(const State& s, const EncodingJob& job) {
  if (s.draining) {
    return Error{.code = ErrorCode::kUnavailable,
                 .what = "the engine takes no more requests: it is shutting down",
                 .where = "engine"};
  }
  const Scheduling& scheduling = job.request.scheduling;
  const ServiceClass its = service_class(scheduling.priority);
  WaitingRequests waiting = s.waiting;
  int64_t rows = s.rows[static_cast<size_t>(its)] + tokens_of(job.request);
  for (const EncodingJob& other : s.inbox) {
    const Scheduling& its_scheduling = other.request.scheduling;
    waiting.add(service_class(its_scheduling.priority), its_scheduling.tenant);
    rows += tokens_of(other.request);
  }
  AGLM_TRY(waiting.room_for(its, scheduling.tenant, s.max_queue));
  if (!scheduling.timeout_ms) return {};
  const double seconds = static_cast<double>(rows) * s.seconds_per_row;
  if (seconds * 1e3 <= static_cast<double>(*scheduling.timeout_ms)) return {};
  return Error{.code = ErrorCode::kResourceExhausted,
               .what = "the answer would not be ready in time",
               .where = "timeout_ms",
               .expected = fmt::format("about {:.0f} ms", std::ceil(seconds * 1e3)),
               .found = fmt::format("{}", *scheduling.timeout_ms),
               .reason = ErrorReason::kDeadlineUnreachable};
}

Result<uint64_t> EncoderEngine::submit(EncodingRequest request, EncodingCallback on_result) {
  State& s = *state_;
  AGLM_TRY(s.core.check(request));
  const auto tenant = s.tenant_priorities.find(request.scheduling.tenant);
  if (tenant != s.tenant_priorities.end()) {
    request.scheduling.priority = std::max(request.scheduling.priority, tenant->second);
  }
  EncodingJob job{
      .request = std::move(request), .on_result = std::move(on_result), .accepted_at = s.clock()};
  const std::lock_guard lock(s.mutex);
  AGLM_TRY(admissible(s, job));
  const uint64_t id = job.id = ++s.last_id;
  s.inbox.push_back(std::move(job));
  s.wake.notify_one();
  return id;
}

void EncoderEngine::cancel(uint64_t id) {
  const std::lock_guard lock(state_->mutex);
  state_->cancels.push_back(id);
  state_->wake.notify_one();
}

EngineStats EncoderEngine::stats() const {
  const std::lock_guard lock(state_->mutex);
  EngineStats stats = state_->stats;
  stats.requests_waiting += std::ssize(state_->inbox);
  return stats;
}

void EncoderEngine::observe(std::shared_ptr<EngineObserver> observer) {
  const std::lock_guard lock(state_->mutex);
  state_->observer = std::move(observer);
}

void EncoderEngine::drain(int64_t timeout_ms) {
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
