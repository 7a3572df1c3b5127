// tokenizer.json of old libraries leaves out the model's type, which its other fields tell.
#include <gtest/gtest.h>

#include "base/json.h"
#include "text/tokenizer/tokenizer_json.h"

namespace autoglm {
namespace {

std::vector<TokenId> encoded(const std::string& model) {
  const std::string text = R"({"model": )" + model + "}";
  const auto document = json::parse(text, "tokenizer.json");
  const auto tokenizer = read_tokenizer_json(*document, "tokenizer.json", {});
  EXPECT_TRUE(tokenizer) << model << tokenizer.error().message();
  if (!tokenizer) return {};
  return (*tokenizer)->encode("ab").value();
}

TEST(UntypedModel, IsKnownByItsFields) {
  const std::pair<const char*, const char*> rows[] = {
      {"BPE", R"("vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"])"},
      {"Unigram",
       R"("vocab": [["<unk>", 0.0], ["a", -3.0], ["b", -3.0], ["ab", -1.0]], "unk_id": 0)"},
      {"WordPiece", R"("vocab": {"[UNK]": 0, "a": 1, "##b": 2}, "unk_token": "[UNK]",
                       "max_input_chars_per_word": 100)"}};
  for (const auto& [type, fields] : rows) {
    const std::string untyped = std::string("{") + fields + "}";
    const std::string typed = R"({"type": ")" + std::string(type) + "\", " + fields + "}";
    EXPECT_EQ(encoded(untyped), encoded(typed)) << type;
    EXPECT_FALSE(encoded(untyped).empty()) << type;
  }
}

}  // namespace
}  // namespace autoglm
