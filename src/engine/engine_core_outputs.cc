// The end of a step: rows of logits and hidden states become tokens, log-probabilities, embeddings.
#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "base/check.h"
#include "engine/engine_core.h"

namespace autoglm {
namespace {

constexpr double kNewestAnswerShare = 0.05;  // in the average of the answers' lengths

}  // namespace

void EngineCore::take_outputs() {
  int32_t output = 0;
  for (size_t i = 0; i < running_.size(); ++i) {
    Sequence& sequence = *running_[i];
    const int64_t output_from = sequence.output_from();
    const int64_t begin = sequence.computed;
    const int64_t n_known = sequence.n_known();
    sequence.computed += sequence.rows;
    sequence.n_accepted = 0;
    Tenant& tenant = *sequence.request->tenant;
    tenant.share.paid += sequence.rows / tenant.share.weight;
    bool ended = false;
    for (int64_t position = begin; position < begin + sequence.rows; ++position) {
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
    if (ended) {
      running_[i].reset();
    } else {
      pages_.publish(sequence);
    }
  }
  std::erase(running_, nullptr);
}

void EngineCore::learn(Sequence& sequence, int64_t n_known, bool ended) {
  // What only drafted tokens needed.
  if (!ended) pages_.trim(sequence);
  const int32_t n_drafted = sequence.n_drafted();
  if (n_drafted == 0) {
    // Behind it may be tokens that a grammar forced.
    const auto first = static_cast<size_t>(n_known - sequence.n_prompt());
    speculator_->decoded(sequence.drafts,
                         sequence.taken[std::min(first, sequence.taken.size() - 1)]);
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
  ActiveRequest& request = *sequence.request;
  const bool prompt_ends = position + 1 == sequence.n_prompt();
  if (position == sequence.prompt_rows_done && position < sequence.prompt_rows()) {
    ++sequence.prompt_rows_done;
    if (sequence.embeds()) {
      add_hidden_state(sequence, output_index);
    } else {
      auto logprobs =
          position_logprobs(executor_.logits(output_index), sequence.text().at(position + 1),
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
  ActiveRequest& request = *sequence.request;
  const SamplingParams& sampling = request.job.request.sampling;
  const std::span<const float> logits = executor_.logits(output_index);
  Constraint* constraint = sequence.constraint ? &*sequence.constraint : nullptr;
  if (constraint != nullptr) {
    auto looked = constraint->look(sequence.thoughts);
    if (!looked || constraint->finished()) {  // finished: the grammar allows the empty text alone
      end(sequence, looked ? FinishReason::kStop : FinishReason::kError,
          looked ? std::nullopt : std::optional(std::move(looked).error()));
      return true;
    }
  }
  // A form that has begun governs alone; before it, thoughts have their budget.
  const std::optional<TokenId> forced =
      constraint == nullptr || constraint->waits() ? sequence.thoughts.forced() : std::nullopt;
  if (forced) sequence.sampler->note(*forced);
  auto id =
      forced ? Result<TokenId>(*forced) : sequence.sampler->next(logits, scratch_, constraint);
  if (!id) {
    end(sequence, FinishReason::kError, std::move(id).error());
    return true;
  }
  GenerationEvent event;
  if (sampling.logprobs) {
    auto logprobs = position_logprobs(logits, *id, *sampling.logprobs, scratch_);
    if (!logprobs) {
      end(sequence, FinishReason::kError,
          internal_error("logits that could be sampled have no logarithms"));
      return true;
    }
    event.logprobs.push_back(std::move(*logprobs));
  }
  sequence.taken.push_back(*id);
  bool drafted = false;
  if (sequence.n_accepted < sequence.n_drafted()) {
    const bool right = sequence.drafts.draft[static_cast<size_t>(sequence.n_accepted)] == *id;
    if (!request.job.request.prediction->empty()) {
      request.usage.accepted_prediction_tokens += right ? 1 : 0;
      request.usage.rejected_prediction_tokens +=
          right ? 0 : sequence.n_drafted() - sequence.n_accepted;
    }
    if (right) ++sequence.n_accepted;
    drafted = right;
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

  sequence.thoughts.took(*id);
  Answer::Piece piece = sequence.answer->take(*id);
  event.text = std::move(piece.text);
  event.tokens.push_back(*id);
  event.finish_reason = piece.finish_reason;
  event.stop_reason = std::move(piece.stop_reason);
  event.stop_token = piece.stop_token;
  if (constraint != nullptr) {
    auto followed = constraint->take(*id, sequence.thoughts);
    // What follows a drafted token is in the next row.
    if (followed) followed = follow_constraint(sequence, event, !drafted);
    if (!followed) {
      end(sequence, FinishReason::kError, std::move(followed).error());
      return true;
    }
  }
  const bool ended = event.finish_reason != FinishReason::kNone;
  if (ended) {
    pages_.publish(sequence);
    pages_.release(sequence);
    const auto length = static_cast<double>(sequence.taken.size());
    mean_answer_tokens_ +=
        (length - mean_answer_tokens_) * (mean_answer_tokens_ == 0 ? 1 : kNewestAnswerShare);
  }
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
  pages_.release(sequence);
  ActiveRequest& request = *sequence.request;
  sequence_ended(sequence);
  request.observation.finish_reason = FinishReason::kStop;
  request_ended(request);
  events_.add(sequence.request, std::move(embedding));
}

}  // namespace autoglm
