// Properties where a wrong table would show.
#include "text/tokenizer/unicode.h"

#include <gtest/gtest.h>

namespace autoglm {
namespace {

TEST(Unicode, LowersCharacterByCharacter) {
  // No final sigma: that would need the context.
  EXPECT_EQ(to_lower("ΑΣ İ STRASSE Ⅻ"), "ασ i\u0307 strasse ⅻ");
}

TEST(Unicode, NormalizesToAllFourForms) {
  EXPECT_EQ(normalize_unicode("e\u0301 ﬁ", NormalForm::kNfc), "é ﬁ");
  EXPECT_EQ(normalize_unicode("é ﬁ", NormalForm::kNfd), "e\u0301 ﬁ");
  EXPECT_EQ(normalize_unicode("e\u0301 ﬁ", NormalForm::kNfkc), "é fi");
  EXPECT_EQ(normalize_unicode("é ﬁ", NormalForm::kNfkd), "e\u0301 fi");
}

TEST(Unicode, FindsGraphemeClusters) {
  const std::string text = "e\u0301x👍🏽";
  EXPECT_EQ(grapheme_at(text, 0), (Span{0, 3}));
  EXPECT_EQ(grapheme_at(text, 3), (Span{3, 4}));
  EXPECT_EQ(grapheme_at(text, 4), (Span{4, text.size()}));
}

TEST(Unicode, KnowsWhatTheReferenceCallsAWord) {
  EXPECT_TRUE(is_word(U'_'));
  EXPECT_TRUE(is_word(U'\u200D'));
  EXPECT_TRUE(is_word(U'Ⓐ'));
  EXPECT_FALSE(is_word(U'²'));
  EXPECT_TRUE(is_numeric(U'²'));
  EXPECT_TRUE(is_punctuation(U'$'));
  EXPECT_TRUE(is_punctuation(U'，'));
  EXPECT_FALSE(is_white_space(U'\u200B'));
  EXPECT_TRUE(is_white_space(U'\u3000'));
}

}  // namespace
}  // namespace autoglm
