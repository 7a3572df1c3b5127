// Requests coming and going: the queue's two ends, the last events, the numbers that are told.
#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <limits>
#include <set>
#include <utility>

#include "base/log.h"
#include "engine/engine_core.h"

namespace autoglm {

void EngineCore::add(Job&& job) {
  auto request = std::make_shared<ActiveRequest>();
  const GenerationRequest& asked = job.request;
  const SamplingParams& sampling = asked.sampling;
  request->max_tokens = job.on_embedding ? 0 : answer_limit(asked, request_limits_);
  request->unfinished = sampling.n;
  const Scheduling& scheduling = asked.scheduling;
  request->tenant = tenants_.join(scheduling.tenant, sampling.n);
  // Neither can stand in for the other: the tenant's length comes first.
  request->salt =
      fmt::format("{}:{}{}", scheduling.tenant.size(), scheduling.tenant, scheduling.cache_salt);
  if (scheduling.timeout_ms) {
    request->deadline = job.accepted_at + static_cast<double>(*scheduling.timeout_ms) * 1e-3;
  }
  request->usage.prompt_tokens = std::ssize(asked.prompt);
  request->observation.request_id = asked.request_id;
  request->observation.n = sampling.n;
  request->observation.max_tokens = sampling.max_tokens;
  if (sampling.prompt_logprobs && !job.on_embedding) {
    request->prompt_logprobs.emplace_back();  // the first position has none
  }
  std::vector<SequencePtr> sequences;
  for (int32_t choice = 0; choice < sampling.n; ++choice) {
    sequences.push_back(std::make_unique<Sequence>());
    sequences.back()->request = request;
    sequences.back()->choice = choice;
  }
  request->job = std::move(job);
  for (SequencePtr& sequence : sequences) waiting_.push_back(std::move(sequence));
}

void EngineCore::cancel(uint64_t id) {
  end_request(id, FinishReason::kCancelled, std::nullopt);
  tell_events();
}

void EngineCore::end_request(uint64_t id, FinishReason reason, const std::optional<Error>& error) {
  const auto drop = [&](auto& queue) {
    for (const SequencePtr& sequence : queue) {
      if (sequence->request->job.id == id) end(*sequence, reason, error);
    }
    std::erase_if(queue, [&](const SequencePtr& s) { return s->request->job.id == id; });
  };
  drop(running_);
  drop(waiting_);
}

void EngineCore::end_overdue(double now) {
  std::set<uint64_t> overdue;
  const double seconds_per_row = this->seconds_per_row();
  for (const SequencePtr& sequence : running_) {
    if (sequence->request->deadline.value_or(now) < now) overdue.insert(sequence->request->job.id);
  }
  for (const SequencePtr& sequence : waiting_) {
    const auto tokens = static_cast<double>(sequence->n_known());
    const double ready = now + tokens * seconds_per_row;
    if (sequence->request->deadline.value_or(ready) < ready) {
      overdue.insert(sequence->request->job.id);
    }
  }
  for (const uint64_t id : overdue) {
    end_request(id, FinishReason::kError,
                Error{.code = ErrorCode::kUnavailable,
                      .what = "the answer could not be ready in time",
                      .where = "timeout_ms",
                      .reason = ErrorReason::kDeadlinePassed});
  }
}

void EngineCore::cancel_all() {
  for (const SequencePtr& sequence : running_) {
    end(*sequence, FinishReason::kCancelled, std::nullopt);
  }
  for (const SequencePtr& sequence : waiting_) {
    end(*sequence, FinishReason::kCancelled, std::nullopt);
  }
  running_.clear();
  waiting_.clear();
  tell_events();
}

void EngineCore::tell_events() {
  if (events_.empty()) return;
  options_.before_events();
  events_.tell();
}

void EngineCore::end(Sequence& sequence, FinishReason reason, std::optional<Error> error) {
  if (error && error->code == ErrorCode::kInternal) {
    ++counters_.internal_errors;
    logger()->error("request {}: {}", sequence.request->job.request.request_id, error->message());
  }
  if (reason != FinishReason::kError) pages_.publish(sequence);
  pages_.release(sequence);
  if (!sequence.embeds()) {
    emit(sequence, {.finish_reason = reason, .error = std::move(error)});
    return;
  }
  ActiveRequest& request = *sequence.request;
  sequence_ended(sequence);
  request.observation.finish_reason = reason;
  request_ended(request);
  events_.add(sequence.request, error ? std::move(*error)
                                      : Error{.code = ErrorCode::kCancelled,
                                              .what = "the request was cancelled",
                                              .where = "embedding"});
}

void EngineCore::emit(Sequence& sequence, GenerationEvent event) {
  ActiveRequest& request = *sequence.request;
  event.choice = sequence.choice;
  event.usage = request.usage;
  const bool has_prompt = std::ssize(request.prompt_logprobs) == sequence.n_prompt();
  if (sequence.choice == 0 && has_prompt) {
    event.prompt_logprobs = std::exchange(request.prompt_logprobs, {});
  }
  if (event.finish_reason != FinishReason::kNone) {
    if (sequence.choice == 0) request.observation.finish_reason = event.finish_reason;
    sequence_ended(sequence);
    event.last = request.unfinished == 0;
  }
  if (event.last) request_ended(request);
  events_.add(sequence.request, std::move(event));
}

void EngineCore::sequence_ended(Sequence& sequence) {
  sequence.ended = true;
  ActiveRequest& request = *sequence.request;
  --request.unfinished;
  if (tenants_.leave(request.job.request.scheduling.tenant)) request.tenant = nullptr;
}

void EngineCore::request_ended(const ActiveRequest& request) {
  if (!observer_) return;
  RequestObservation seen = request.observation;
  const double accepted = request.job.accepted_at;
  const double now = options_.clock();
  seen.usage = request.usage;
  seen.end_to_end = now - accepted;
  seen.queued = request.started_at.value_or(now) - accepted;
  if (request.first_token_at) {
    seen.prefill = *request.first_token_at - *request.started_at;
    seen.decode = *request.last_token_at - *request.first_token_at;
    seen.time_to_first_token = *request.first_token_at - accepted;
  }
  observer_->on_request_end(seen);
}

WaitingRequests EngineCore::waiting_requests() const {
  // Sequences of one request stand together, and those that have run stand first.
  WaitingRequests waiting;
  const ActiveRequest* last = nullptr;
  for (const SequencePtr& sequence : waiting_) {
    const ActiveRequest* request = sequence->request.get();
    if (request != last && request->started == 0) {
      waiting.add(service_class(sequence->priority()), request->job.request.scheduling.tenant);
    }
    last = request;
  }
  return waiting;
}

EngineStats EngineCore::stats() const {
  EngineStats stats = counters_;
  const ActiveRequest* last = nullptr;
  for (const SequencePtr& sequence : running_) {
    if (sequence->request.get() != last) ++stats.requests_running;
    last = sequence->request.get();
  }
  for (const SequencePtr& sequence : waiting_) {
    if (sequence->request.get() != last) ++stats.requests_waiting;
    last = sequence->request.get();
  }
  stats.kv_cache_usage = 1.0 - static_cast<double>(pages_.n_free()) / pages_.n_pages();
  if (options_.spill != nullptr) {
    stats.kv_spill_pages_written = options_.spill->n_written();
    stats.kv_spill_pages_read = options_.spill->n_read();
    stats.kv_spill_failures = options_.spill->n_failed();
  }
  return stats;
}

EngineLoad EngineCore::load() const {
  EngineLoad load{.by_class = {},
                  .max_sequences = options_.max_batch_size,
                  .seconds_per_row = seconds_per_row(),
                  .seconds_per_step = recent_step_seconds_,
                  .answer_tokens = mean_answer_tokens_};
  int64_t nearest = std::numeric_limits<int64_t>::max();
  const auto add = [&](const Sequence& sequence, bool waits) {
    EngineLoad::Part& part = load.by_class[static_cast<size_t>(service_class(sequence.priority()))];
    const double expected =
        std::min(std::max(mean_answer_tokens_ - static_cast<double>(sequence.taken.size()), 1.0),
                 static_cast<double>(sequence.request->max_tokens));
    const auto answer = static_cast<int64_t>(expected);
    ++part.n_sequences;
    part.prompt_tokens += sequence.n_known() - sequence.computed - 1;
    if (waits) {
      ++part.n_waiting;
      part.answer_tokens += answer;
    } else {
      nearest = std::min(nearest, answer);
    }
  };
  for (const SequencePtr& sequence : running_) add(*sequence, false);
  for (const SequencePtr& sequence : waiting_) add(*sequence, true);
  if (!running_.empty()) load.tokens_to_place = nearest;
  return load;
}

std::optional<std::string> EngineCore::check_invariants() const {
  for (size_t i = 0; i < running_.size(); ++i) {
    const Sequence& sequence = *running_[i];
    if (i > 0 && sequence.rank() < running_[i - 1]->rank()) return "the ranks are out of order";
    if (sequence.computed >= sequence.n_known()) return "a running sequence has nothing to do";
  }
  std::pair<uint64_t, int32_t> last{0, -1};
  for (const SequencePtr& sequence : waiting_) {
    const std::pair<uint64_t, int32_t> own{sequence->request->job.id, sequence->choice};
    if (std::exchange(last, own) >= own) return "a younger sequence stands before an older one";
    if (!sequence->pages.empty() || sequence->computed != 0) return "a waiting sequence has pages";
  }
  if (std::ssize(running_) > options_.max_batch_size) return "too many sequences run";
  return pages_.check(running_);
}

}  // namespace autoglm
