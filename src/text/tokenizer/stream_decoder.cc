// Streaming by windows: the text of the newest tokens is the text of a short window with them, less
// that of the window without. A window begins with tokens whose text is known and not empty, so
// that decoders which treat the first token specially treat both texts alike.
#include <algorithm>

#include "base/utf8.h"
#include "text/tokenizer.h"
#include "text/tokenizer/model.h"

namespace autoglm {
namespace {

// A tail of broken bytes is held back because the next token may mend it; but a mendable character
// is at most three bytes, so of a long tail the front can go.
constexpr size_t kMaxHeldTokens = 16;

// Of the tokens before the answer so many are looked at; more of them when a run of byte tokens,
// which is decoded as a whole, began earlier.
constexpr size_t kContextTokens = 16;
constexpr size_t kMaxContextTokens = 256;

std::string text_of(const Tokenizer& tokenizer, std::span<const TokenId> ids, bool skip_special) {
  // Ids come from a model whose vocabulary may be padded beyond the tokenizer's: those have no
  // text.
  Result<std::string> text = tokenizer.decode(ids, skip_special);
  return text ? std::move(*text) : std::string();
}

}  // namespace

void StreamDecoder::follow(std::span<const TokenId> before) {
  for (size_t i = before.size(); i-- > 0 && ids_.size() < kMaxContextTokens;) {
    const TokenId id = before[i];
    if (static_cast<int32_t>(id) < 0 || static_cast<int32_t>(id) >= tokenizer_->vocab_size()) {
      continue;
    }
    if (skip_special_tokens_ && tokenizer_->is_special(id)) continue;
    ids_.push_back(id);
    if (ids_.size() >= kContextTokens && !byte_token_value(tokenizer_->token_spelling(id))) break;
  }
  std::reverse(ids_.begin(), ids_.end());
  prefix_end_ = ids_.size();
}

std::string StreamDecoder::push(TokenId id) {
  if (static_cast<int32_t>(id) < 0 || static_cast<int32_t>(id) >= tokenizer_->vocab_size()) {
    return {};
  }
  // It leaves no trace in the text: not even the end of a run of byte tokens.
  if (skip_special_tokens_ && tokenizer_->is_special(id)) return {};
  ids_.push_back(id);
  // A run of byte tokens is decoded as a whole by some decoders: wait for its end.
  if (byte_token_value(tokenizer_->token_spelling(id))) return {};
  return advance(false);
}

std::string StreamDecoder::finish() { return advance(true); }

std::string StreamDecoder::advance(bool last) {
  const std::span<const TokenId> window(ids_.begin() + prefix_begin_, ids_.end());
  const size_t n_known = prefix_end_ - prefix_begin_;
  const std::string known = text_of(*tokenizer_, window.first(n_known), skip_special_tokens_);
  std::string text = text_of(*tokenizer_, window, skip_special_tokens_);
  size_t n_taken = window.size();
  if (!last && text.ends_with(kReplacementText)) {
    if (window.size() - n_known <= kMaxHeldTokens) return {};
    // Cut where the two sides decode to the same as the whole.
    for (n_taken = window.size() - 1; n_taken > n_known; --n_taken) {
      const std::string left = text_of(*tokenizer_, window.first(n_taken), skip_special_tokens_);
      const std::string right = text_of(*tokenizer_, window.subspan(n_taken), skip_special_tokens_);
      if (left + right == text) {
        text = left;
        break;
      }
    }
    if (n_taken == n_known) return {};
  }
  // A decoder that rewrites text it has already given (none of the usual ones does) cannot be
  // streamed exactly: what differs is given again.
  const auto differs = std::mismatch(known.begin(), known.end(), text.begin(), text.end()).second;
  auto begin = static_cast<size_t>(differs - text.begin());
  // A replacement character that has become a real one may share its first byte.
  if (begin < text.size()) begin = character_begin(text, begin);
  std::string fresh = text.substr(begin);
  const size_t end = prefix_begin_ + n_taken;
  // The new window must begin with text of its own.
  const std::span<const TokenId> taken(ids_.begin() + prefix_end_, ids_.begin() + end);
  if (!text_of(*tokenizer_, taken, skip_special_tokens_).empty()) prefix_begin_ = prefix_end_;
  prefix_end_ = end;
  return fresh;
}

}  // namespace autoglm
