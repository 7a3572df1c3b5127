// Tokens that are cut out of the text before the model sees it: special ones, and others that were
// added to a vocabulary. The longest one at the leftmost place wins.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "autoglm/generation.h"
#include "autoglm/result.h"
#include "text/tokenizer/normalizer.h"
#include "text/tokenizer/span.h"

namespace autoglm {

struct AddedToken {
  std::string content;
  bool special = false;
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space after it
  bool single_word = false;  // not inside a word
  bool normalized = false;   // looked for in normalized text, itself normalized
  std::string shown = {};    // what it decodes to: the content, normalized if it is so; by finish()
};

class AddedTokens {
 public:
  // A stretch of text, or an added token where `id` is set.
  struct Segment {
    Span span;
    std::optional<TokenId> id;
  };

  Result<void> add(AddedToken token, TokenId id, std::string_view where);
  // After the last add(): prepares the search. `normalizer` may be null.
  Result<void> finish(const Normalizer* normalizer);

  // Cuts `text` at the tokens that are looked for before (normalized = false) or after normalizing.
  // Special tokens are ordinary text without `parse_special`, and where one begins at a place of
  // `literal`.
  struct CutOptions {
    bool normalized = false;
    bool parse_special = true;
    std::span<const size_t> literal = {};  // ascending
  };
  Result<void> cut(std::string_view text, const CutOptions& options, std::vector<Segment>& segments,
                   TextWork& work) const;
  bool any(bool normalized) const { return !tries_[normalized].patterns.empty(); }

  const AddedToken* find(TokenId id) const;
  std::optional<TokenId> id_of(std::string_view content) const;
  int32_t end_id() const { return end_id_; }  // one more than the largest id

 private:
  struct Trie {
    std::unordered_map<uint64_t, int32_t> edges;  // node * 256 + byte -> node; 0 is the root
    std::vector<int32_t> patterns;                // node -> index of the pattern's id, or -1
    std::vector<TokenId> ids;
    std::array<bool, 256> first{};  // bytes that patterns begin with
    void insert(std::string_view pattern, TokenId id);
    // The longest pattern at `at`: its length and id, or length 0.
    std::pair<size_t, TokenId> longest(std::string_view text, size_t at, size_t& n_steps) const;
  };

  std::map<int32_t, AddedToken> tokens_;
  std::map<std::string, TokenId, std::less<>> ids_;
  std::vector<TokenId> order_;  // as they were added
  std::array<Trie, 2> tries_;
  int32_t end_id_ = 0;
};

}  // namespace autoglm
