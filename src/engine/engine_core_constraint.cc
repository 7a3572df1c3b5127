// Jump ahead: where a grammar leaves one token, it is taken without asking the model, as sampling
// would have taken it from the mask. The tokens so taken are computed together in the next step.
#include <utility>

#include "engine/engine_core.h"

namespace autoglm {

Result<void> EngineCore::follow_constraint(Sequence& sequence, GenerationEvent& event,
                                           bool may_jump) {
  Constraint& constraint = *sequence.constraint;
  // Log-probabilities are the model's: it must be asked.
  may_jump &= !sequence.request->job.request.sampling.logprobs;
  const auto ends = [&] {
    return event.finish_reason != FinishReason::kNone &&
           event.finish_reason != FinishReason::kLength;
  };
  while (!ends()) {
    AGLM_TRY(constraint.look(sequence.thoughts));
    if (constraint.finished()) {
      // Also at max_tokens: the answer is whole.
      if (event.finish_reason == FinishReason::kNone) {
        Answer::Piece rest = sequence.answer->finish();
        event.text += rest.text;
        event.stop_reason = std::move(rest.stop_reason);
      }
      event.finish_reason = FinishReason::kStop;
      return {};
    }
    const std::optional<TokenId> forced = constraint.forced();
    if (!may_jump || !forced || event.finish_reason != FinishReason::kNone) return {};
    sequence.sampler->note(*forced);
    sequence.thoughts.took(*forced);
    AGLM_TRY(constraint.take(*forced, sequence.thoughts));
    sequence.taken.push_back(*forced);
    ++sequence.request->usage.completion_tokens;
    ++counters_.generation_tokens;
    ++counters_.forced_tokens;
    Answer::Piece piece = sequence.answer->take(*forced);
    event.tokens.push_back(*forced);
    event.text += piece.text;
    event.finish_reason = piece.finish_reason;
    event.stop_reason = std::move(piece.stop_reason);
    event.stop_token = piece.stop_token;
  }
  return {};
}

}  // namespace autoglm
