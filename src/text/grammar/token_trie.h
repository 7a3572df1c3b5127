// The vocabulary as two trees of bytes, each in the order of a walk through it, so that a grammar
// may cut off all tokens with a wrong beginning at once. One has the plain tokens: whole characters
// that JSON strings may hold as they are. Inside a string nearly all tokens are plain and allowed,
// so whole subtrees of them are taken at once. Special tokens and those without bytes are in
// neither: they never match text. Immutable after construction but for the cache.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/grammar/group_cache.h"
#include "text/tokenizer.h"

namespace autoglm::grammar {

class TokenTrie {
 public:
  static constexpr int kAnyLength = 255;  // of characters, or so many

  struct Node {
    int32_t end = 0;          // one past the last node below this one
    int32_t first_token = 0;  // tokens that end here: [first_token, the next node's)
    uint16_t depth = 0;       // bytes from the root
    uint8_t byte = 0;
    // In the tree of plain tokens: the most characters of one here or below, at most kAnyLength.
    uint8_t plain_characters = 0;
  };

  // `first_in_text`: as tokens spell at the beginning of a text, where some tokenizers leave the
  // first space out (see needs_first_trie()).
  // Ids from `n_ids` on are not in it: a model may have fewer than its tokenizer.
  TokenTrie(const Tokenizer& tokenizer, int32_t n_ids, bool first_in_text, size_t cache_bytes);

  // Of the plain tokens, and of all others.
  std::array<int32_t, 2> roots() const { return {0, nodes_[0].end}; }
  const Node& node(int32_t i) const { return nodes_[static_cast<size_t>(i)]; }
  // Those of nodes [begin, end).
  std::span<const int32_t> tokens(int32_t begin, int32_t end) const {
    const auto first = static_cast<size_t>(node(begin).first_token);
    return std::span(tokens_).subspan(first, static_cast<size_t>(node(end).first_token) - first);
  }
  // All tokens with this beginning, of each tree in the order of their bytes.
  std::array<std::span<const int32_t>, 2> beginning_with(std::string_view prefix) const;
  // "" for what is no text.
  std::string_view bytes(int32_t token) const;
  int32_t n_tokens() const { return static_cast<int32_t>(offsets_.size()) - 1; }
  size_t n_words() const { return (static_cast<size_t>(n_tokens()) + 63) / 64; }
  int32_t longest_token_bytes() const { return longest_; }

  GroupCache& cache() const { return cache_; }

  // Whether a text's first token spells otherwise than others.
  static bool needs_first_trie(const Tokenizer& tokenizer);

 private:
  void build(const std::vector<int32_t>& sorted, const std::vector<uint8_t>& plain);
  std::span<const int32_t> below(int32_t root, std::string_view prefix) const;

  std::vector<Node> nodes_;  // and one after the last
  std::vector<int32_t> tokens_;
  std::string text_;               // of all tokens
  std::vector<uint32_t> offsets_;  // of each token in it
  int32_t longest_ = 0;
  mutable GroupCache cache_;
};

}  // namespace autoglm::grammar
