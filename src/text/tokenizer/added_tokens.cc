// A byte trie for the search, and the four flags around it.
#include "text/tokenizer/added_tokens.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"
#include "text/tokenizer/unicode.h"

namespace autoglm {
namespace {

// Bounds the search at each place of a text; real ones have at most 64 or so.
constexpr size_t kMaxContentBytes = 1024;
constexpr size_t kMaxAddedTokens = size_t{1} << 20;
// Trie nodes: a few hundred thousand bytes of added tokens, far above any real file.
constexpr size_t kMaxTrieNodes = size_t{1} << 22;

bool word_ends_at(std::string_view text, size_t at) {
  return at > 0 && is_word(character_at(text, character_begin(text, at - 1)).code);
}

bool word_begins_at(std::string_view text, size_t at) {
  return at < text.size() && is_word(character_at(text, at).code);
}

size_t skip_space_back(std::string_view text, size_t at, size_t floor) {
  while (at > floor) {
    const size_t previous = character_begin(text, at - 1);
    if (!is_white_space(character_at(text, previous).code)) break;
    at = previous;
  }
  return std::max(at, floor);
}

size_t skip_space(std::string_view text, size_t at) {
  while (at < text.size() && is_white_space(character_at(text, at).code)) {
    at += character_at(text, at).length;
  }
  return at;
}

}  // namespace

void AddedTokens::Trie::insert(std::string_view pattern, TokenId id) {
  if (pattern.empty()) return;
  if (patterns.empty()) patterns.push_back(-1);
  first[static_cast<uint8_t>(pattern[0])] = true;
  uint64_t node = 0;
  for (const char c : pattern) {
    const auto [edge, is_new] = edges.try_emplace(node * 256 + static_cast<uint8_t>(c),
                                                  static_cast<int32_t>(patterns.size()));
    if (is_new) patterns.push_back(-1);
    node = static_cast<uint64_t>(edge->second);
  }
  if (patterns[node] >= 0) return;  // of equal patterns the first one counts
  patterns[node] = static_cast<int32_t>(ids.size());
  ids.push_back(id);
}

std::pair<size_t, TokenId> AddedTokens::Trie::longest(std::string_view text, size_t at,
                                                      size_t& n_steps) const {
  std::pair<size_t, TokenId> best{0, TokenId{}};
  if (!first[static_cast<uint8_t>(text[at])]) return best;
  uint64_t node = 0;
  for (size_t i = at; i < text.size(); ++i) {
    const auto edge = edges.find(node * 256 + static_cast<uint8_t>(text[i]));
    if (edge == edges.end()) break;
    ++n_steps;
    node = static_cast<uint64_t>(edge->second);
    if (patterns[node] >= 0) best = {i + 1 - at, ids[static_cast<size_t>(patterns[node])]};
  }
  return best;
}

Result<void> AddedTokens::add(AddedToken token, TokenId id, std::string_view where) {
  if (token.content.empty()) return {};  // matches nothing: the reference drops it too
  if (token.content.size() > kMaxContentBytes || order_.size() >= kMaxAddedTokens) {
    return Error{ErrorCode::kTooLarge, "added tokens are too large", std::string(where),
                 fmt::format("at most {} tokens of {} bytes", kMaxAddedTokens, kMaxContentBytes),
                 fmt::format("token {} of {} bytes", order_.size(), token.content.size())};
  }
  const auto number = static_cast<int32_t>(id);
  ids_.insert_or_assign(token.content, id);
  if (tokens_.insert_or_assign(number, std::move(token)).second) order_.push_back(id);
  end_id_ = std::max(end_id_, number + 1);
  return {};
}

Result<void> AddedTokens::finish(const Normalizer* normalizer) {
  size_t n_bytes = 0;
  for (const auto& [id, token] : tokens_) n_bytes += token.content.size();
  TextWork work(n_bytes);
  // Special ones first: of two that normalize alike, the special one counts.
  for (const bool special : {true, false}) {
    for (const TokenId id : order_) {
      AddedToken& token = tokens_.at(static_cast<int32_t>(id));
      if (token.special != special) continue;
      std::string pattern = token.content;
      if (token.normalized && normalizer != nullptr) {
        pattern = AGLM_TRY(normalizer->apply(std::move(pattern), work));
      }
      Trie& trie = tries_[token.normalized];
      if (trie.patterns.size() + pattern.size() > kMaxTrieNodes) {
        return Error{ErrorCode::kTooLarge,
                     "added tokens are too large",
                     "added_tokens",
                     fmt::format("at most {} bytes in all", kMaxTrieNodes),
                     {}};
      }
      trie.insert(pattern, id);
      token.shown = std::move(pattern);
    }
  }
  return {};
}

Result<void> AddedTokens::cut(std::string_view text, const CutOptions& options,
                              std::vector<Segment>& segments, TextWork& work) const {
  AGLM_TRY(work.spend(TextWork::kStepCost + text.size()));
  const Trie& trie = tries_[options.normalized];
  const auto literal_at = [&](size_t at) {
    return std::binary_search(options.literal.begin(), options.literal.end(), at);
  };
  size_t done = 0;
  for (size_t at = 0; at < text.size() && !trie.patterns.empty();) {
    size_t n_steps = 0;
    const auto [length, id] = trie.longest(text, at, n_steps);
    AGLM_TRY(work.spend(n_steps * TextWork::kPassCost));
    if (length == 0) {
      ++at;
      continue;
    }
    Span span{at, at + length};
    at = span.end;
    const AddedToken& token = tokens_.at(static_cast<int32_t>(id));
    if (token.special && (!options.parse_special || literal_at(span.begin))) continue;
    if (token.single_word && (word_ends_at(text, span.begin) || word_begins_at(text, span.end))) {
      continue;
    }
    if (token.lstrip) span.begin = skip_space_back(text, span.begin, std::min(done, span.begin));
    if (token.rstrip) span.end = skip_space(text, span.end);
    span.begin = std::max(span.begin, done);
    span.end = std::max(span.end, span.begin);
    if (done < span.begin) segments.push_back({{done, span.begin}, std::nullopt});
    segments.push_back({span, id});
    done = span.end;
  }
  if (done < text.size()) segments.push_back({{done, text.size()}, std::nullopt});
  return {};
}

const AddedToken* AddedTokens::find(TokenId id) const {
  const auto found = tokens_.find(static_cast<int32_t>(id));
  return found == tokens_.end() ? nullptr : &found->second;
}

std::optional<TokenId> AddedTokens::id_of(std::string_view content) const {
  const auto found = ids_.find(content);
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace autoglm
