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
      pool_(options_.n_pages) {
  const ExecutorLimits& limits = executor.limits();
  AGLM_CHECK(
      options_.max_batch_size >= 1 && options_.max_batch_size <= options_.max_batched_tokens &&
          options_.max_batch_size <= limits.max_output_rows &&
          options_.max_batched_tokens <= limits.max_rows,
      "batch of {}, {} rows; the executor has {} rows, {} of output", options_.max_batch_size,
      options_.max_batched_tokens, limits.max_rows, limits.max_output_rows);
  AGLM_CHECK(options_.window.size >= 1 && options_.window.seconds >= 0, "a window of {}, {} s",
             options_.window.size, options_.window.seconds);
  if (options_.prefix_caching) tree_.emplace(pool_, executor_, options_.spill);
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
  build_input();
  if (tokens_.empty()) return;
  const double computing = options_.clock();
  gave_up_ =
      !executor_.step({.tokens = tokens_,
                       .embeddings = embeddings_,
                       .positions = positions_,
                       .sequences = sequences_,
                       .output_rows = output_rows_,
                       .logits = wants_logits_,
                       .give_up = only_decodes || !may_give_up() ? nullptr : options_.urgent});
  if (gave_up_) {
    ++counters_.steps_given_up;
    return;
  }
  ++counters_.steps;
  const double computed = options_.clock();
  take_outputs();
  if (only_decodes) {
    speculator_->step_took(static_cast<int32_t>(tokens_.size()), options_.clock() - computing);
  }
  const double seconds = options_.clock() - begin;
  pace_.add(std::ssize(tokens_), computed - computing);
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
    const auto missing = [&] {
      return pages_for(sequence.n_known() + length, scheduler_limits_.page_tokens) -
             std::ssize(sequence.pages);
    };
    while (length > 0 && missing() > n_free_pages()) --length;
    if (length > 0 && missing() > 0) allocate_pages(missing(), sequence);
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

void EngineCore::build_input() {
  tokens_.clear();
  sequences_.clear();
  output_rows_.clear();
  embeddings_.clear();
  positions_.clear();
  wants_logits_ = false;
  for (size_t i = 0; i < running_.size(); ++i) {
    const Sequence& sequence = *running_[i];
    const int32_t rows = sequence.rows;
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
      tokens_.push_back(sequence.text().at(sequence.computed + row));
      if (sequence.computed + row < output_from) continue;
      output_rows_.push_back(first_row + row);
      wants_logits_ |= !sequence.embeds();
    }
    observation_.draft_rows += sequence.n_drafted();
    for (const TokenId drafted : sequence.drafts.draft) {
      output_rows_.push_back(static_cast<int32_t>(tokens_.size()));
      tokens_.push_back(drafted);
    }
    sequence.request->job.rows.append_embeddings(sequence.computed, sequence.computed + rows,
                                                 first_row, embeddings_);
  }
  build_positions();
}

// Only where one of them is not where its tokens are.
void EngineCore::build_positions() {
  const bool own = std::ranges::all_of(running_, [](const SequencePtr& s) {
    return s->rows == 0 || s->request->job.rows.own_positions();
  });
  if (own) return;
  for (const SequencePtr& sequence : running_) {
    const int32_t n = sequence->rows == 0 ? 0 : sequence->rows + sequence->n_drafted();
    for (int32_t row = 0; row < n; ++row) {
      positions_.push_back(sequence->request->job.rows.position(sequence->computed + row));
    }
  }
}

}  // namespace autoglm
