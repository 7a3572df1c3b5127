#include "engine/thoughts.h"

#include <algorithm>

namespace autoglm {
namespace {

constexpr std::string_view kOpen = "<think>";
constexpr std::string_view kSpace = " \t\r\n";
// Tokens in which a prompt's last tag and the space behind it lie, however they are cut.
constexpr size_t kTailTokens = 16;

std::string_view trimmed_front(std::string_view text) {
  const size_t first = text.find_first_not_of(kSpace);
  return first == std::string_view::npos ? std::string_view() : text.substr(first);
}

// Without the space at its end.
std::string tail_of(std::span<const TokenId> prompt, const Tokenizer& tokenizer) {
  std::string tail;
  for (const TokenId id : prompt.last(std::min(prompt.size(), kTailTokens))) {
    tail += tokenizer.token_bytes(id);
  }
  tail.erase(tail.find_last_not_of(kSpace) + 1);
  return tail;
}

}  // namespace

Thoughts::Thoughts(std::optional<int64_t> budget, std::span<const TokenId> prompt,
                   const Tokenizer& tokenizer)
    : tokenizer_(&tokenizer), left_(budget) {
  const auto close = tokenizer.encode(kClose, {.add_special_tokens = false, .parse_special = true});
  if (!close || close->empty()) return;
  close_ = *close;
  const std::string tail = tail_of(prompt, tokenizer);
  if (tail.ends_with(kClose)) return;
  state_ = State::kBegin;
  if (tail.ends_with(kOpen)) begin();
}

void Thoughts::begin() {
  text_.clear();
  state_ = left_ && *left_ <= 0 ? State::kClosing : State::kOpen;
}

std::optional<TokenId> Thoughts::opener() const {
  if (state_ != State::kBegin || !text_.empty()) return std::nullopt;
  return tokenizer_->token_id(kOpen);
}

std::optional<TokenId> Thoughts::forced() const {
  if (state_ != State::kClosing) return std::nullopt;
  return close_[n_closed_];
}

void Thoughts::took(TokenId id) {
  switch (state_) {
    case State::kOver: return;
    case State::kClosing:
      if (++n_closed_ < close_.size()) return;
      text_.clear();
      state_ = State::kOver;
      return;
    case State::kBegin: {
      text_ += tokenizer_->token_bytes(id);
      const std::string_view text = trimmed_front(text_);
      if (text.starts_with(kOpen)) {
        begin();
      } else if (!kOpen.starts_with(text)) {
        state_ = State::kOver;
      }
      return;
    }
    case State::kOpen: think(id); return;
  }
}

void Thoughts::think(TokenId id) {
  text_ += tokenizer_->token_bytes(id);
  if (const size_t closed = text_.find(kClose); closed != std::string::npos) {
    text_.erase(0, closed + kClose.size());
    state_ = State::kOver;
    return;
  }
  text_.erase(0, text_.size() - std::min(text_.size(), kClose.size() - 1));
  if (left_ && --*left_ == 0) state_ = State::kClosing;
}

}  // namespace autoglm
