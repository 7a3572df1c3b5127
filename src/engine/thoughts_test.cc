#include "engine/thoughts.h"

#include <gtest/gtest.h>

#include <string>

namespace autoglm {
namespace {

// A token is a byte.
class ByteTokenizer : public Tokenizer {
 public:
  Result<std::vector<TokenId>> encode(std::string_view text, EncodeOptions) const override {
    std::vector<TokenId> ids;
    for (const char c : text) ids.push_back(TokenId{static_cast<unsigned char>(c)});
    return ids;
  }
  Result<std::string> decode(std::span<const TokenId> ids, bool) const override {
    std::string text;
    for (const TokenId id : ids) text += token_bytes(id);
    return text;
  }
  std::string token_bytes(TokenId id) const override {
    return std::string(1, static_cast<char>(static_cast<int32_t>(id)));
  }
  std::string token_spelling(TokenId id) const override { return token_bytes(id); }
  std::optional<TokenId> token_id(std::string_view) const override { return std::nullopt; }
  bool is_special(TokenId) const override { return false; }
  int32_t vocab_size() const override { return 256; }
  std::optional<TokenId> bos() const override { return std::nullopt; }
  std::optional<TokenId> eos() const override { return std::nullopt; }
};

// The answer to `prompt` when the model would write `wish`: what is forced goes before it.
std::string answer(int64_t budget, const std::string& prompt, const std::string& wish) {
  const ByteTokenizer tokenizer;
  Thoughts thoughts(budget, *tokenizer.encode(prompt, {}), tokenizer);
  std::string text;
  for (size_t next = 0; next < wish.size() || thoughts.forced();) {
    const std::optional<TokenId> forced = thoughts.forced();
    const TokenId id = forced ? *forced : TokenId{static_cast<unsigned char>(wish[next++])};
    text += tokenizer.token_bytes(id);
    thoughts.took(id);
  }
  return text;
}

TEST(Thoughts, ClosesThoughtsThatTakeTooLong) {
  EXPECT_EQ(answer(4, "Q", "\n<think>abcdefg"), "\n<think>abcd</think>efg");
  EXPECT_EQ(answer(0, "Q", "<think>abc"), "<think></think>abc");
  EXPECT_EQ(answer(3, "Q<think>\n", "abcdefg"), "abc</think>defg");
  EXPECT_EQ(answer(0, "Q<think>", "abc"), "</think>abc");
}

TEST(Thoughts, LeavesShortThoughtsAndOtherAnswersAlone) {
  for (const std::string text : {"<think>ab</think>cdefghijklmn", "no thoughts at all",
                                 "<thinking>", "<think></think><think>abcdefghijk", ""}) {
    EXPECT_EQ(answer(12, "Q", text), text);
  }
  EXPECT_EQ(answer(3, "Q<think></think>", "abcdefg"), "abcdefg");
}

TEST(Thoughts, ForcesOnlyOnce) {
  EXPECT_EQ(answer(2, "Q", "<think>abc<think>defghi"), "<think>ab</think>c<think>defghi");
}

}  // namespace
}  // namespace autoglm
