// Where an answer's thoughts begin and end, <think>...</think> at its beginning, and a bound on
// them. It watches the answer's tokens; once as many have come inside as the budget allows, it says
// which token must come next, until the thoughts are closed. All of it depends on the answer's
// tokens alone.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace autoglm {

class Thoughts {
 public:
  static constexpr std::string_view kClose = "</think>";

  Thoughts() = default;  // none are looked for
  // `budget`: of tokens; unset: no bound. `prompt`: thoughts are open already where it ends with
  // <think>, and over where it ends with </think>. The tokenizer must outlive it.
  Thoughts(std::optional<int64_t> budget, std::span<const TokenId> prompt,
           const Tokenizer& tokenizer);

  bool open() const { return state_ == State::kOpen || state_ == State::kClosing; }
  // <think>, where it is one token and would open thoughts now.
  std::optional<TokenId> opener() const;
  // While they are open: their last bytes, fewer than </think> has.
  std::string_view tail() const { return text_; }
  // Once they are closed: what the token that closed them holds behind </think>.
  std::string_view rest() const { return text_; }
  std::optional<TokenId> forced() const;
  void took(TokenId id);

 private:
  enum class State {
    kBegin,  // <think> may come
    kOpen,
    kClosing,  // close_[n_closed_] comes next
    kOver,
  };
  void begin();
  void think(TokenId id);

  State state_ = State::kOver;
  const Tokenizer* tokenizer_ = nullptr;
  std::optional<int64_t> left_;
  std::string text_;            // the beginning of the answer; tail(); rest()
  std::vector<TokenId> close_;  // </think>
  size_t n_closed_ = 0;
};

}  // namespace autoglm
