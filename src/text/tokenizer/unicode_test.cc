// Repairing UTF-8, and properties where a wrong table would show.
#include "text/tokenizer/unicode.h"

#include <gtest/gtest.h>

namespace autoglm {
namespace {

TEST(Unicode, RepairsEachMaximalInvalidPartWithOneReplacement) {
  // Unicode 15, table 3-8 and its neighbours.
  EXPECT_EQ(repair_utf8("a\xF1\x80\x80\xE1\x80\xC2"
                        "b\x80"
                        "c\x80\xBF"
                        "d"),
            "a\uFFFD\uFFFD\uFFFDb\uFFFDc\uFFFD\uFFFDd");
  EXPECT_EQ(repair_utf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");  // a surrogate
  EXPECT_EQ(repair_utf8("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(repair_utf8("你好\xE4\xBD"), "你好\uFFFD");
  EXPECT_TRUE(is_valid_utf8("naïve 🙂"));
  EXPECT_FALSE(is_valid_utf8("\xC0\xAF"));
}

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
