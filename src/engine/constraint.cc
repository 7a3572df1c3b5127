#include "engine/constraint.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace autoglm {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

std::string_view behind_space(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
}

}  // namespace

Result<void> Constraint::look(const Thoughts& thoughts) {
  mask_ = nullptr;
  opener_ = std::nullopt;
  may_end_ = false;
  if (waits_ && thoughts.open()) {
    tail_ = thoughts.tail();
    return {};
  }
  auto mask = matcher_.mask();
  if (!mask) {
    mask.error().where = field_;
    return std::move(mask).error();
  }
  mask_ = std::move(*mask);
  may_end_ = matcher_.may_end();
  if (waits_) {
    // A grammar that allows <think> itself has thoughts of its own.
    const std::optional<TokenId> opener = thoughts.opener();
    if (opener && !mask_->allows(static_cast<int32_t>(*opener))) opener_ = opener;
  }
  if (mask_->n_allowed > 0 || may_end_ || opener_) return {};
  return Error{.code = ErrorCode::kUnsupported,
               .what = "the model's vocabulary has no token that goes on with the grammar here",
               .where = field_};
}

std::optional<TokenId> Constraint::forced() const {
  if (mask_ == nullptr || opener_) return std::nullopt;
  const TokenId only{mask_->only};
  if (mask_->n_allowed != 1 || (may_end_ && !end_ids_.empty()) || is_end(only)) return std::nullopt;
  return only;
}

bool Constraint::is_end(TokenId token) const {
  return std::find(end_ids_.begin(), end_ids_.end(), token) != end_ids_.end();
}

void Constraint::apply(std::span<float> logits) const {
  if (mask_ == nullptr) {
    apply_to_thoughts(logits);
    return;
  }
  const float opens = opener_ ? logits[static_cast<size_t>(*opener_)] : 0;
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
  if (opener_) logits[static_cast<size_t>(*opener_)] = opens;
}

// Thoughts are free, but an answer must come behind them: they do not end it, and the token that
// closes them holds nothing that the grammar does not begin with.
void Constraint::apply_to_thoughts(std::span<float> logits) const {
  for (const TokenId id : end_ids_) logits[static_cast<size_t>(id)] = kNever;
  const grammar::TokenTrie& trie = grammar_->vocabulary().trie;
  for (size_t known = 0; known < Thoughts::kClose.size(); ++known) {
    if (!std::string_view(tail_).ends_with(Thoughts::kClose.substr(0, known))) continue;
    const std::string_view missing = Thoughts::kClose.substr(known);
    for (const std::span<const int32_t> ids : trie.beginning_with(missing)) {
      for (const int32_t id : ids) {
        if (!begins_with(trie.bytes(id).substr(missing.size()))) {
          logits[static_cast<size_t>(id)] = kNever;
        }
      }
    }
  }
}

// Whether an answer may begin so; space behind thoughts is not part of it.
bool Constraint::begins_with(std::string_view text) const {
  const std::string_view begun = behind_space(text);
  return begun.empty() || grammar::GrammarMatcher(grammar_).accept_text(begun);
}

Result<void> Constraint::take(TokenId token, const Thoughts& thoughts) {
  if (mask_ == nullptr || token == opener_) {
    if (thoughts.open()) return {};
    waits_ = false;
    matcher_ = grammar::GrammarMatcher(grammar_);
    if (const auto begun = behind_space(thoughts.rest()); !begun.empty()) {
      matcher_.accept_text(begun);
    }
    return {};
  }
  waits_ = false;
  if (is_end(token) ? may_end_ : matcher_.accept(token)) return {};
  return internal_error(
      fmt::format("token {} was taken against the grammar", static_cast<int32_t>(token)));
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
  if (waits_) return tokens.size();
  grammar::GrammarMatcher ahead = matcher_;
  size_t n = 0;
  while (n < tokens.size() && !is_end(tokens[n]) && ahead.accept(tokens[n])) ++n;
  return n;
}

}  // namespace autoglm
