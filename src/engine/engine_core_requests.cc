// Requests coming and going: the queue's two ends, the last events, the numbers that are told.
#include <utility>

#include "engine/engine_core.h"

namespace autoglm {

void EngineCore::add(Job job) {
  auto request = std::make_shared<ActiveRequest>();
  request->job = std::move(job);
  const GenerationRequest& asked = request->job.request;
  const SamplingParams& sampling = asked.sampling;
  request->max_tokens = request->job.on_embedding ? 0 : answer_limit(asked, request_limits_);
  request->unfinished = sampling.n;
  request->usage.prompt_tokens = std::ssize(asked.prompt);
  request->observation.request_id = asked.request_id;
  request->observation.n = sampling.n;
  request->observation.max_tokens = sampling.max_tokens;
  if (sampling.prompt_logprobs && !request->job.on_embedding) {
    request->prompt_logprobs.emplace_back();  // the first position has none
  }
  for (int32_t choice = 0; choice < sampling.n; ++choice) {
    auto sequence = std::make_unique<Sequence>();
    sequence->request = request;
    sequence->choice = choice;
    waiting_.push_back(std::move(sequence));
  }
}

void EngineCore::cancel(uint64_t id) {
  const auto drop = [&](auto& queue) {
    for (const SequencePtr& sequence : queue) {
      if (sequence->request->job.id == id) end(*sequence, FinishReason::kCancelled, std::nullopt);
    }
    std::erase_if(queue, [&](const SequencePtr& s) { return s->request->job.id == id; });
  };
  drop(running_);
  drop(waiting_);
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
}

void EngineCore::end(Sequence& sequence, FinishReason reason, std::optional<Error> error) {
  pool_.release(sequence.pages);
  if (!sequence.embeds()) {
    emit(sequence, {.finish_reason = reason, .error = std::move(error)});
    return;
  }
  ActiveRequest& request = *sequence.request;
  --request.unfinished;
  request.observation.finish_reason = reason;
  request_ended(request);
  request.job.on_embedding(error ? std::move(*error)
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
    event.last = --request.unfinished == 0;
  }
  if (event.last) request_ended(request);
  request.job.on_event(event);
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

int64_t EngineCore::waiting_requests() const {
  // Sequences of one request stand together, and those that have run stand first.
  int64_t count = 0;
  const ActiveRequest* last = nullptr;
  for (const SequencePtr& sequence : waiting_) {
    const ActiveRequest* request = sequence->request.get();
    if (request != last && request->started == 0) ++count;
    last = request;
  }
  return count;
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
  stats.kv_cache_usage = 1.0 - static_cast<double>(pool_.n_free()) / pool_.size();
  return stats;
}

std::optional<std::string> EngineCore::check_invariants() const {
  std::vector<const std::vector<int32_t>*> owners;
  std::pair<uint64_t, int32_t> last{0, -1};
  const auto in_order = [&](const Sequence& sequence) {
    const std::pair<uint64_t, int32_t> own{sequence.request->job.id, sequence.choice};
    return std::exchange(last, own) < own;
  };
  for (const SequencePtr& sequence : running_) {
    owners.push_back(&sequence->pages);
    if (!in_order(*sequence)) return "a younger sequence runs before an older one";
    if (sequence->computed >= sequence->n_known()) return "a running sequence has nothing to do";
    if (std::ssize(sequence->pages) * scheduler_limits_.page_tokens < sequence->computed) {
      return "a sequence has computed more than its pages hold";
    }
    if (std::ssize(sequence->pages) >
        pages_for(sequence->n_known(), scheduler_limits_.page_tokens)) {
      return "a sequence holds pages for tokens that it does not have";
    }
  }
  for (const SequencePtr& sequence : waiting_) {
    if (!in_order(*sequence)) return "a younger sequence stands before an older one";
    if (!sequence->pages.empty() || sequence->computed != 0) return "a waiting sequence has pages";
  }
  if (std::ssize(running_) > options_.max_batch_size) return "too many sequences run";
  return pool_.check(owners);
}

}  // namespace autoglm
