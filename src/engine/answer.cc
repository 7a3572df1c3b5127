// The order of the questions: is the token an end, does the text hold a stop string, is it enough.
#include "engine/answer.h"

#include <algorithm>

namespace autoglm {
namespace {

bool contains(const std::vector<TokenId>& ids, TokenId id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace

Answer::Answer(const SamplingParams& params, int64_t max_tokens, const Tokenizer& tokenizer,
               const EndOfSequence& end)
    : params_(&params),
      max_tokens_(max_tokens),
      end_(&end),
      decoder_(tokenizer, params.skip_special_tokens),
      matcher_(params.stop, params.include_stop_str_in_output) {}

Answer::Piece Answer::take(TokenId id) {
  ++n_tokens_;
  Piece piece;
  const bool is_end = !params_->ignore_eos && contains(end_->all, id);
  const bool ends = is_end || contains(params_->stop_token_ids, id);
  std::string text;
  if (!ends || params_->include_stop_str_in_output) text = decoder_.push(id);
  if (ends) {
    piece.finish_reason = FinishReason::kStop;
    if (!is_end || id != end_->own) {
      piece.stop_reason = std::to_string(static_cast<int32_t>(id));
      piece.stop_token = id;
    }
  } else if (n_tokens_ >= max_tokens_) {
    piece.finish_reason = FinishReason::kLength;
  }
  const bool last = piece.finish_reason != FinishReason::kNone;
  if (last) text += decoder_.finish();

  // The sampler gives no end token before min_tokens; stop strings wait as long.
  StopMatcher::Piece matched = matcher_.push(text, n_tokens_ <= params_->min_tokens);
  piece.text = std::move(matched.text);
  if (matched.stop) {
    piece.finish_reason = FinishReason::kStop;
    piece.stop_reason = params_->stop[*matched.stop];
    piece.stop_token.reset();
  } else if (last) {
    piece.text += matcher_.finish();
  }
  return piece;
}

Answer::Piece Answer::finish() {
  StopMatcher::Piece matched = matcher_.push(decoder_.finish(), n_tokens_ <= params_->min_tokens);
  Piece piece{.text = std::move(matched.text), .finish_reason = FinishReason::kStop};
  if (matched.stop) {
    piece.stop_reason = params_->stop[*matched.stop];
  } else {
    piece.text += matcher_.finish();
  }
  return piece;
}

}  // namespace autoglm
