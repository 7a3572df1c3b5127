#include "engine/constraint.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace autoglm {

Result<void> Constraint::look() {
  mask_ = AGLM_TRY(matcher_.mask());
  may_end_ = matcher_.may_end();
  if (mask_->n_allowed > 0 || may_end_) return {};
  return Error{.code = ErrorCode::kUnsupported,
               .what = "the model's vocabulary has no token that goes on with the grammar here",
               .where = "grammar"};
}

std::optional<TokenId> Constraint::forced() const {
  const TokenId only{mask_->only};
  if (mask_->n_allowed != 1 || (may_end_ && !end_ids_.empty()) || is_end(only)) return std::nullopt;
  return only;
}

bool Constraint::is_end(TokenId token) const {
  return std::find(end_ids_.begin(), end_ids_.end(), token) != end_ids_.end();
}

void Constraint::apply(std::span<float> logits) const {
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  std::vector<float> ends;
  for (const TokenId id : end_ids_) ends.push_back(logits[static_cast<size_t>(id)]);
  const std::vector<uint64_t>& words = mask_->words;
  for (size_t word = 0; word * 64 < logits.size(); ++word) {
    const uint64_t allowed = word < words.size() ? words[word] : 0;
    const std::span<float> some =
        logits.subspan(word * 64, std::min<size_t>(64, logits.size() - word * 64));
    if (allowed == 0) {
      std::fill(some.begin(), some.end(), kNever);
    } else if (allowed != ~uint64_t{0}) {
      for (size_t bit = 0; bit < some.size(); ++bit) {
        if ((allowed >> bit & 1) == 0) some[bit] = kNever;
      }
    }
  }
  // An end is an end, also where the vocabulary says that it is text.
  for (size_t i = 0; i < end_ids_.size(); ++i) {
    logits[static_cast<size_t>(end_ids_[i])] = may_end_ ? ends[i] : kNever;
  }
}

void Constraint::take(TokenId token) {
  const bool right = is_end(token) ? may_end_ : matcher_.accept(token);
  AGLM_CHECK(right, "token {} was taken against the grammar", static_cast<int32_t>(token));
}

std::vector<TokenId> end_of_constrained(const SamplingParams& sampling, const Tokenizer& tokenizer,
                                        const EndOfSequence& end) {
  std::vector<TokenId> ids;
  if (!sampling.ignore_eos) ids = end.all;
  for (const TokenId id : sampling.stop_token_ids) {
    const bool known = std::find(ids.begin(), ids.end(), id) != ids.end();
    if (!known && tokenizer.is_special(id)) ids.push_back(id);
  }
  return ids;
}

size_t Constraint::n_allowed(std::span<const TokenId> tokens) const {
  grammar::GrammarMatcher ahead = matcher_;
  size_t n = 0;
  while (n < tokens.size() && !is_end(tokens[n]) && ahead.accept(tokens[n])) ++n;
  return n;
}

}  // namespace autoglm
