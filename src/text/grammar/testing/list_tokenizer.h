// A vocabulary that is a list of byte strings. Ids are places in the list; one past its end is end
// of sequence, which is special.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/grammar/compile.h"
#include "text/tokenizer.h"

namespace autoglm::grammar {

class ListTokenizer : public Tokenizer {
 public:
  explicit ListTokenizer(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {}
  // All bytes, and some longer tokens.
  static ListTokenizer with_all_bytes(std::vector<std::string> more) {
    std::vector<std::string> tokens;
    for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
    tokens.insert(tokens.end(), more.begin(), more.end());
    return ListTokenizer(std::move(tokens));
  }
  // All bytes, and some 3,000 tokens of letters that share their beginnings, one to five
  // characters long.
  static ListTokenizer with_large_subtrees() {
    std::vector<std::string> tokens{"{\"", "\": ", "\", \"", "\"}", "\"]",
                                    "[\"", "true", "null",   "12"};
    const std::vector<std::string> letters{"a", "b", "e", "h", "l", "o", "t", " ", "é", "中"};
    for (const std::string& a : letters) {
      for (const std::string& b : letters) {
        tokens.push_back(a + b);
        for (const std::string& c : letters) {
          tokens.push_back(a + b + c);
          if (tokens.size() % 2 == 0) tokens.push_back(a + b + c + a);
          if (tokens.size() % 3 == 0) tokens.push_back(a + b + c + "th");
        }
      }
    }
    return with_all_bytes(std::move(tokens));
  }
  Result<std::vector<TokenId>> encode(std::string_view text, EncodeOptions) const override {
    std::vector<TokenId> ids;
    for (const char c : text) ids.push_back(TokenId{static_cast<uint8_t>(c)});
    return ids;
  }
  Result<std::string> decode(std::span<const TokenId> ids, bool) const override {
    std::string text;
    for (const TokenId id : ids) text += token_bytes(id);
    return text;
  }
  std::string token_bytes(TokenId id) const override {
    return is_special(id) ? "" : tokens_.at(static_cast<size_t>(id));
  }
  std::string token_spelling(TokenId id) const override { return token_bytes(id); }
  std::optional<TokenId> token_id(std::string_view) const override { return std::nullopt; }
  bool is_special(TokenId id) const override { return static_cast<size_t>(id) >= tokens_.size(); }
  int32_t vocab_size() const override { return static_cast<int32_t>(tokens_.size()) + 1; }
  std::optional<TokenId> bos() const override { return std::nullopt; }
  std::optional<TokenId> eos() const override { return TokenId{vocab_size() - 1}; }

 private:
  std::vector<std::string> tokens_;
};

}  // namespace autoglm::grammar
