// A step: schedule, draft, compute, take the outputs.
#include "engine/engine_core.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace autoglm {
namespace {

constexpr double kNewestStepShare = 0.1;  // in the average of the last steps

}  // namespace

EngineCore::EngineCore(Executor& executor, const Tokenizer& tokenizer, CoreOptions options)
    : executor_(executor),
      tokenizer_(tokenizer),
      options_(std::move(options)),
      request_limits_{.vocab_size = executor.limits().vocab_size,
                      .max_model_len = options_.max_model_len,
                      .pool_tokens = int64_t{options_.n_pages} * executor.limits().page_tokens,
                      .hidden_size = executor.limits().hidden_size,
                      .page_tokens = executor.limits().page_tokens},
      scheduler_limits_{.max_sequences = options_.max_batch_size,
                        .max_rows = options_.max_batched_tokens,
                        .max_output_rows = executor.limits().max_output_rows,
                        .page_tokens = executor.limits().page_tokens},
      pages_(options_.n_pages, executor, options_.prefix_caching, options_.spill),
      tenants_(options_.tenant_weights) {
  const ExecutorLimits& limits = executor.limits();
  AGLM_CHECK(
      options_.max_batch_size >= 1 && options_.max_batch_size <= options_.max_batched_tokens &&
          options_.max_batch_size <= limits.max_output_rows &&
          options_.max_batched_tokens <= limits.max_rows,
      "batch of {}, {} rows; the executor has {} rows, {} of output", options_.max_batch_size,
      options_.max_batched_tokens, limits.max_rows, limits.max_output_rows);
  AGLM_CHECK(options_.window.size >= 1 && options_.window.seconds >= 0, "a window of {}, {} s",
             options_.window.size, options_.window.seconds);
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

void EngineCore::step() {
  AGLM_CHECK(!idle(), "a step with nothing to do");
  compute_step();
  tell_events();
}

void EngineCore::compute_step() {
  const double begin = options_.clock();
  observation_ = {};
  end_overdue(begin);
  schedule(begin);
  const bool only_decodes = speculator_ && speculate();
  batch_.build(running_);
  if (batch_.empty()) return;
  observation_.decode_rows = batch_.decode_rows();
  observation_.prefill_rows = batch_.prefill_rows();
  observation_.draft_rows = batch_.draft_rows();
  const double computing = options_.clock();
  StepInput input = batch_.input();
  if (!only_decodes && may_give_up()) input.give_up = options_.urgent;
  gave_up_ = !executor_.step(input);
  if (gave_up_) {
    ++counters_.steps_given_up;
    return;
  }
  ++counters_.steps;
  const double computed = options_.clock();
  take_outputs();
  if (only_decodes) {
    speculator_->step_took(batch_.n_rows(), options_.clock() - computing);
  }
  const double seconds = options_.clock() - begin;
  pace_.add(batch_.n_rows(), computed - computing);
  recent_step_seconds_ +=
      (seconds - recent_step_seconds_) * (recent_step_seconds_ == 0 ? 1 : kNewestStepShare);
  if (observer_) {
    observation_.seconds = seconds;
    observer_->on_step(observation_);
  }
}

// A step without interactive rows, and never two in a row: what is urgent may come again and again,
// and each time some work is lost.
bool EngineCore::may_give_up() const {
  return !gave_up_ && std::none_of(running_.begin(), running_.end(), [](const SequencePtr& s) {
    return s->rows > 0 && service_class(s->priority()) == ServiceClass::kInteractive;
  });
}

// Only what the plan leaves over goes to drafts: rows, and pages that are free. A step that
// computes prompts is bound by arithmetic; there a drafted row costs as much as any other.
bool EngineCore::speculate() {
  candidates_.clear();
  for (const SequencePtr& sequence : running_) sequence->drafts.begin_step();
  for (size_t i = 0; i < running_.size(); ++i) {
    Sequence& sequence = *running_[i];
    if (sequence.rows == 0) continue;
    if (!sequence.decodes()) return false;
    const GenerationRequest& asked = sequence.request->job.request;
    candidates_.push_back({.prediction = *asked.prediction,
                           .prompt = asked.prompt,
                           .taken = sequence.taken,
                           .pages = &sequence.pages,
                           .sampler = &*sequence.sampler,
                           .memory = &sequence.drafts,
                           .plain = sequence.request->job.rows.plain(),
                           .most = sequence.most_drafted()});
  }
  const auto n_plain = static_cast<int32_t>(candidates_.size());
  const int32_t most_rows = std::min(scheduler_limits_.max_rows, scheduler_limits_.max_output_rows);
  speculator_->choose(candidates_, most_rows - n_plain);
  size_t next = 0;
  for (size_t i = 0; i < running_.size(); ++i) {
    Sequence& sequence = *running_[i];
    if (sequence.rows == 0) continue;
    int32_t& length = candidates_[next++].length;
    const auto missing = [&] { return pages_.missing(sequence, sequence.n_known() + length); };
    while (length > 0 && missing() > pages_.n_free()) --length;
    if (length > 0) pages_.grow(sequence, sequence.n_known() + length);
  }
  speculator_->draft(candidates_, scratch_, options_.clock);
  end_faulty();
  for (const SequencePtr& sequence : running_) {
    std::vector<TokenId>& draft = sequence->drafts.draft;
    if (!sequence->constraint || draft.empty()) continue;
    // Rows for tokens that the grammar will refuse are wasted. One is kept, so that the step still
    // counts as one with a draft.
    draft.resize(std::max<size_t>(1, sequence->constraint->n_allowed(draft)));
  }
  return true;
}

void EngineCore::end_faulty() {
  std::map<uint64_t, Error> faults;
  for (const SequencePtr& sequence : running_) {
    if (const auto& fault = sequence->drafts.fault) {
      faults.emplace(sequence->request->job.id, *fault);
    }
  }
  for (const auto& [id, fault] : faults) end_request(id, FinishReason::kError, fault);
}

}  // namespace autoglm
