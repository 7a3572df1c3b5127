// A step: plan, carry the plan out on queues and pages, draft, compute, take the outputs.
#include "engine/engine_core.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/check.h"

namespace autoglm {

// What the sequences of one request share.
struct EngineCore::Request {
  Job job;
  int64_t max_tokens = 0;
  int32_t unfinished = 0;  // sequences
  int32_t started = 0;     // sequences that have run at least once
  Usage usage;
  std::vector<std::optional<PositionLogprobs>> prompt_logprobs;  // until the first event takes them
  RequestObservation observation;
  std::optional<double> started_at, first_token_at, last_token_at;
};

struct EngineCore::Sequence {
  int64_t n_prompt() const { return std::ssize(request->job.request.prompt); }
  int64_t n_known() const { return n_prompt() + std::ssize(taken); }
  TokenId token(int64_t position) const {
    return position < n_prompt() ? request->job.request.prompt[static_cast<size_t>(position)]
                                 : taken[static_cast<size_t>(position - n_prompt())];
  }
  bool embeds() const { return request->job.on_embedding != nullptr; }
  // Output rows of the prompt that are wanted, from 0 on: for its log-probabilities or its mean.
  int64_t prompt_rows() const {
    if (embeds()) return n_prompt();
    const bool logprobs = choice == 0 && request->job.request.sampling.prompt_logprobs.has_value();
    return logprobs ? n_prompt() - 1 : 0;
  }
  // All but the last token is computed, and the next one is wanted.
  bool decodes() const {
    return n_known() - computed == 1 && prompt_rows_done >= prompt_rows() && !embeds();
  }
  // Drafted tokens that make sense: the last token of an answer needs no successor.
  int32_t most_drafted() const {
    const int64_t asked = request->job.request.sampling.num_speculative_tokens.value_or(
        std::numeric_limits<int32_t>::max());
    const int64_t left = request->max_tokens - std::ssize(taken) - 1;
    return static_cast<int32_t>(std::clamp<int64_t>(left, 0, asked));
  }
  int32_t n_drafted() const { return static_cast<int32_t>(drafts.draft.size()); }
  // Before its first step; one that waits stays small, however large n and its parameters are.
  void start(const Tokenizer& tokenizer, const EndOfSequence& end_of_sequence) {
    const GenerationRequest& asked = request->job.request;
    std::vector<TokenId> end_ids = end_of_sequence.all;
    end_ids.insert(end_ids.end(), asked.sampling.stop_token_ids.begin(),
                   asked.sampling.stop_token_ids.end());
    sampler.emplace(asked.sampling, request->job.seed, choice, std::move(end_ids), asked.prompt);
    answer.emplace(asked.sampling, request->max_tokens, tokenizer, end_of_sequence);
    if (!asked.begins_text) answer->follow(asked.prompt);
  }

  std::shared_ptr<Request> request;
  int32_t choice = 0;
  std::vector<TokenId> taken;  // the answer
  int64_t computed = 0;
  std::vector<int32_t> pages;
  int64_t prompt_rows_done = 0;  // survives a preemption
  std::optional<Sampler> sampler;
  std::optional<Answer> answer;
  std::vector<double> hidden_sum;
  std::optional<double> last_token_at;
  DraftMemory drafts;
  int32_t n_accepted = 0;  // of this step's draft
};

EngineCore::EngineCore(Executor& executor, const Tokenizer& tokenizer, CoreOptions options)
    : executor_(executor),
      tokenizer_(tokenizer),
      options_(std::move(options)),
      request_limits_{.vocab_size = executor.limits().vocab_size,
                      .max_model_len = options_.max_model_len,
                      .pool_tokens = int64_t{options_.n_pages} * executor.limits().page_tokens},
      scheduler_limits_{.max_sequences = options_.max_batch_size,
                        .max_rows = options_.max_batched_tokens,
                        .max_output_rows = executor.limits().max_output_rows,
                        .page_tokens = executor.limits().page_tokens},
      pool_(options_.n_pages) {
  const ExecutorLimits& limits = executor.limits();
  AGLM_CHECK(
      options_.max_batch_size >= 1 && options_.max_batch_size <= options_.max_batched_tokens &&
          options_.max_batch_size <= limits.max_output_rows &&
          options_.max_batched_tokens <= limits.max_rows,
      "batch of {}, {} rows; the executor has {} rows, {} of output", options_.max_batch_size,
      options_.max_batched_tokens, limits.max_rows, limits.max_output_rows);
  if (options_.speculation.method == "none") return;
  AGLM_CHECK(
      options_.draft == nullptr || (options_.draft->limits().page_tokens == limits.page_tokens &&
                                    options_.draft->limits().max_output_rows >= 1),
      "pages of {} and {} tokens", limits.page_tokens, options_.draft->limits().page_tokens);
  speculator_.emplace(options_.speculation, options_.draft, limits.vocab_size);
  counters_.spec_decode_accepted_per_position.resize(
      static_cast<size_t>(options_.speculation.num_speculative_tokens));
}

EngineCore::~EngineCore() = default;

void EngineCore::add(Job job) {
  auto request = std::make_shared<Request>();
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

SchedulerSequence EngineCore::view(const Sequence& sequence) const {
  const int64_t last = sequence.n_known() - 1;
  const bool prompt_rows_left = sequence.prompt_rows_done < sequence.prompt_rows();
  return {.known = sequence.n_known(),
          .computed = sequence.computed,
          .output_from = prompt_rows_left ? std::min(sequence.prompt_rows_done, last) : last,
          .pages = std::ssize(sequence.pages)};
}

void EngineCore::step() {
  AGLM_CHECK(!idle(), "a step with nothing to do");
  const double begin = options_.clock();
  observation_ = {};
  running_views_.clear();
  waiting_views_.clear();
  for (const SequencePtr& sequence : running_) running_views_.push_back(view(*sequence));
  for (const SequencePtr& sequence : waiting_) {
    if (std::ssize(waiting_views_) >= options_.max_batch_size) break;
    waiting_views_.push_back(view(*sequence));
  }
  const StepPlan plan =
      plan_step(scheduler_limits_, pool_.n_free(), running_views_, waiting_views_);
  carry_out(plan);
  const bool only_decodes = speculator_ && speculate(plan);
  build_input(plan);
  const double computing = options_.clock();
  executor_.step({.tokens = tokens_,
                  .sequences = sequences_,
                  .output_rows = output_rows_,
                  .hidden_states = wants_hidden_states_});
  ++counters_.steps;
  take_outputs(plan);
  if (only_decodes) {
    speculator_->step_took(static_cast<int32_t>(tokens_.size()), options_.clock() - computing);
  }
  if (observer_) {
    observation_.seconds = options_.clock() - begin;
    observer_->on_step(observation_);
  }
}

void EngineCore::carry_out(const StepPlan& plan) {
  for (int32_t i = 0; i < plan.n_preempted; ++i) {
    SequencePtr sequence = std::move(running_.back());
    running_.pop_back();
    pool_.release(sequence->pages);
    sequence->computed = 0;
    sequence->drafts.forget_text();
    ++sequence->request->observation.preemptions;
    ++counters_.preemptions;
    ++observation_.preemptions;
    waiting_.push_front(std::move(sequence));
  }
  for (int32_t i = 0; i < plan.n_admitted; ++i) {
    Sequence& sequence = *waiting_.front();
    if (!sequence.answer) {
      sequence.start(tokenizer_, options_.end);
      if (sequence.request->started++ == 0) sequence.request->started_at = options_.clock();
    }
    running_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  for (size_t i = 0; i < running_.size(); ++i) {
    pool_.allocate(plan.parts[i].new_pages, running_[i]->pages);
  }
}

// Only what the plan leaves over goes to drafts: rows, and pages that are free. A step that
// computes prompts is bound by arithmetic; there a drafted row costs as much as any other.
bool EngineCore::speculate(const StepPlan& plan) {
  candidates_.clear();
  for (const SequencePtr& sequence : running_) sequence->drafts.begin_step();
  for (size_t i = 0; i < running_.size(); ++i) {
    Sequence& sequence = *running_[i];
    if (plan.parts[i].rows == 0) continue;
    if (!sequence.decodes()) return false;
    const GenerationRequest& asked = sequence.request->job.request;
    candidates_.push_back({.prediction = asked.prediction,
                           .prompt = asked.prompt,
                           .taken = sequence.taken,
                           .pages = &sequence.pages,
                           .sampler = &*sequence.sampler,
                           .memory = &sequence.drafts,
                           .most = sequence.most_drafted()});
  }
  const auto n_plain = static_cast<int32_t>(candidates_.size());
  const int32_t most_rows = std::min(scheduler_limits_.max_rows, scheduler_limits_.max_output_rows);
  speculator_->choose(candidates_, most_rows - n_plain);
  size_t next = 0;
  for (size_t i = 0; i < running_.size(); ++i) {
    if (plan.parts[i].rows == 0) continue;
    Sequence& sequence = *running_[i];
    int32_t& length = candidates_[next++].length;
    const auto missing = [&] {
      return pages_for(sequence.n_known() + length, scheduler_limits_.page_tokens) -
             std::ssize(sequence.pages);
    };
    while (length > 0 && missing() > pool_.n_free()) --length;
    if (length > 0 && missing() > 0) {
      pool_.allocate(static_cast<int32_t>(missing()), sequence.pages);
    }
  }
  speculator_->draft(candidates_, scratch_, options_.clock);
  return true;
}

void EngineCore::build_input(const StepPlan& plan) {
  tokens_.clear();
  sequences_.clear();
  output_rows_.clear();
  wants_hidden_states_ = false;
  for (size_t i = 0; i < running_.size(); ++i) {
    const Sequence& sequence = *running_[i];
    const int32_t rows = plan.parts[i].rows;
    if (rows == 0) continue;
    const auto first_row = static_cast<int32_t>(tokens_.size());
    sequences_.push_back({.first_row = first_row,
                          .n_rows = rows + sequence.n_drafted(),
                          .start_position = sequence.computed,
                          .pages = sequence.pages});
    const int64_t output_from = view(sequence).output_from;
    const bool decodes = sequence.n_known() > sequence.n_prompt() && rows == 1;
    (decodes ? observation_.decode_rows : observation_.prefill_rows) += rows;
    for (int32_t row = 0; row < rows; ++row) {
      tokens_.push_back(sequence.token(sequence.computed + row));
      if (sequence.computed + row < output_from) continue;
      output_rows_.push_back(first_row + row);
      wants_hidden_states_ |= sequence.embeds();
    }
    observation_.draft_rows += sequence.n_drafted();
    for (const TokenId drafted : sequence.drafts.draft) {
      output_rows_.push_back(static_cast<int32_t>(tokens_.size()));
      tokens_.push_back(drafted);
    }
  }
}

void EngineCore::take_outputs(const StepPlan& plan) {
  int32_t output = 0;
  for (size_t i = 0; i < running_.size(); ++i) {
    Sequence& sequence = *running_[i];
    const int64_t output_from = view(sequence).output_from;
    const int64_t begin = sequence.computed;
    const int64_t n_known = sequence.n_known();
    sequence.computed += plan.parts[i].rows;
    sequence.n_accepted = 0;
    bool ended = false;
    for (int64_t position = begin; position < begin + plan.parts[i].rows; ++position) {
      if (position < output_from) continue;
      if (!ended) ended = take_output_row(sequence, position, output);
      ++output;  // counted to the end: the next sequence's rows come after these
    }
    // A drafted token's row is worth something when all before it were the target's own tokens.
    for (int32_t drafted = 0; drafted < sequence.n_drafted(); ++drafted, ++output) {
      if (ended || sequence.n_accepted <= drafted) continue;
      ended = take_output_row(sequence, sequence.computed++, output);
    }
    if (speculator_ && std::ssize(sequence.taken) > 0) learn(sequence, n_known, ended);
    if (ended) running_[i].reset();
  }
  std::erase(running_, nullptr);
}

void EngineCore::learn(Sequence& sequence, int64_t n_known, bool ended) {
  // Pages that only drafted tokens needed: others may want them before this sequence does.
  if (!ended) {
    pool_.trim(pages_for(sequence.n_known(), scheduler_limits_.page_tokens), sequence.pages);
  }
  const int32_t n_drafted = sequence.n_drafted();
  if (n_drafted == 0) {
    speculator_->decoded(sequence.drafts, sequence.taken.back());
    return;
  }
  ++counters_.spec_decode_drafts;
  counters_.spec_decode_draft_tokens += n_drafted;
  counters_.spec_decode_accepted_tokens += sequence.n_accepted;
  for (int32_t i = 0; i < sequence.n_accepted; ++i) {
    ++counters_.spec_decode_accepted_per_position[static_cast<size_t>(i)];
  }
  speculator_->verified(sequence.drafts, sequence.n_accepted, ended, n_known);
}

bool EngineCore::take_output_row(Sequence& sequence, int64_t position, int32_t output_index) {
  Request& request = *sequence.request;
  const bool prompt_ends = position + 1 == sequence.n_prompt();
  if (position == sequence.prompt_rows_done && position < sequence.prompt_rows()) {
    ++sequence.prompt_rows_done;
    if (sequence.embeds()) {
      add_hidden_state(sequence, output_index);
    } else {
      auto logprobs =
          position_logprobs(executor_.logits(output_index), sequence.token(position + 1),
                            *request.job.request.sampling.prompt_logprobs, scratch_);
      if (!logprobs) {
        end(sequence, FinishReason::kError, std::move(logprobs).error());
        return true;
      }
      request.prompt_logprobs.push_back(std::move(*logprobs));
    }
  }
  if (position + 1 != sequence.n_known()) return false;
  if (prompt_ends && sequence.choice == 0) counters_.prompt_tokens += sequence.n_prompt();
  if (sequence.embeds()) {
    finish_embedding(sequence);
    return true;
  }
  if (request.max_tokens == 0) {
    end(sequence, FinishReason::kLength, std::nullopt);
    return true;
  }
  return take_token(sequence, output_index);
}

bool EngineCore::take_token(Sequence& sequence, int32_t output_index) {
  Request& request = *sequence.request;
  const SamplingParams& sampling = request.job.request.sampling;
  const std::span<const float> logits = executor_.logits(output_index);
  auto id = sequence.sampler->next(logits, scratch_);
  if (!id) {
    end(sequence, FinishReason::kError, std::move(id).error());
    return true;
  }
  GenerationEvent event;
  if (sampling.logprobs) {
    auto logprobs = position_logprobs(logits, *id, *sampling.logprobs, scratch_);
    AGLM_CHECK(logprobs.has_value(), "logits that could be sampled have no logarithms");
    event.logprobs.push_back(std::move(*logprobs));
  }
  sequence.taken.push_back(*id);
  if (sequence.n_accepted < sequence.n_drafted()) {
    const bool right = sequence.drafts.draft[static_cast<size_t>(sequence.n_accepted)] == *id;
    if (!request.job.request.prediction.empty()) {
      request.usage.accepted_prediction_tokens += right ? 1 : 0;
      request.usage.rejected_prediction_tokens +=
          right ? 0 : sequence.n_drafted() - sequence.n_accepted;
    }
    if (right) ++sequence.n_accepted;
  }
  ++request.usage.completion_tokens;
  ++counters_.generation_tokens;

  const double now = options_.clock();
  if (sequence.last_token_at) {
    observation_.inter_token.push_back(now - *sequence.last_token_at);
  } else {
    observation_.time_to_first_token.push_back(now - request.job.accepted_at);
  }
  sequence.last_token_at = now;
  if (!request.first_token_at) request.first_token_at = now;
  request.last_token_at = now;

  Answer::Piece piece = sequence.answer->take(*id);
  event.text = std::move(piece.text);
  event.tokens.push_back(*id);
  event.finish_reason = piece.finish_reason;
  event.stop_reason = std::move(piece.stop_reason);
  event.stop_token = piece.stop_token;
  const bool ended = event.finish_reason != FinishReason::kNone;
  if (ended) pool_.release(sequence.pages);
  emit(sequence, std::move(event));
  return ended;
}

void EngineCore::add_hidden_state(Sequence& sequence, int32_t output_index) {
  const std::span<const float> hidden = executor_.hidden_state(output_index);
  sequence.hidden_sum.resize(hidden.size(), 0.0);
  for (size_t i = 0; i < hidden.size(); ++i) sequence.hidden_sum[i] += hidden[i];
}

// The mean's division falls out when the vector is scaled to length 1.
void EngineCore::finish_embedding(Sequence& sequence) {
  double squares = 0;
  for (const double x : sequence.hidden_sum) squares += x * x;
  if (!(squares > 0) || !std::isfinite(squares)) {
    end(sequence, FinishReason::kError,
        Error{.code = ErrorCode::kCorrupt,
              .what = "the model's hidden states make no embedding",
              .where = "embedding",
              .expected = "a finite length above 0",
              .found = fmt::format("{}", std::sqrt(squares))});
    return;
  }
  std::vector<float> embedding(sequence.hidden_sum.size());
  const double scale = 1 / std::sqrt(squares);
  for (size_t i = 0; i < embedding.size(); ++i) {
    embedding[i] = static_cast<float>(sequence.hidden_sum[i] * scale);
  }
  pool_.release(sequence.pages);
  Request& request = *sequence.request;
  --request.unfinished;
  request.observation.finish_reason = FinishReason::kStop;
  request_ended(request);
  request.job.on_embedding(std::move(embedding));
}

void EngineCore::end(Sequence& sequence, FinishReason reason, std::optional<Error> error) {
  pool_.release(sequence.pages);
  if (!sequence.embeds()) {
    emit(sequence, {.finish_reason = reason, .error = std::move(error)});
    return;
  }
  Request& request = *sequence.request;
  --request.unfinished;
  request.observation.finish_reason = reason;
  request_ended(request);
  request.job.on_embedding(error ? std::move(*error)
                                 : Error{.code = ErrorCode::kCancelled,
                                         .what = "the request was cancelled",
                                         .where = "embedding"});
}

void EngineCore::emit(Sequence& sequence, GenerationEvent event) {
  Request& request = *sequence.request;
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

void EngineCore::request_ended(const Request& request) {
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
  const Request* last = nullptr;
  for (const SequencePtr& sequence : waiting_) {
    const Request* request = sequence->request.get();
    if (request != last && request->started == 0) ++count;
    last = request;
  }
  return count;
}

EngineStats EngineCore::stats() const {
  EngineStats stats = counters_;
  const Request* last = nullptr;
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
