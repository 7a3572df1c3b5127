#include "base/utf8.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace autoglm {
namespace {

// Each wrong sequence with how long the part is that one U+FFFD stands for, what reading it loosely
// gives (nothing: it is wrong there too), and how many bytes at its end might still become a
// character.
struct Wrong {
  const char* what;
  std::string_view bytes;
  size_t length;
  std::optional<char32_t> loosely;
  size_t incomplete;
};
const std::vector<Wrong> kWrong = {
    {"the first continuation byte", "\x80", 1, {}, 0},
    {"the last continuation byte", "\xBF", 1, {}, 0},
    {"U+0000 overlong in two", "\xC0\x80", 1, 0x0, 0},
    {"U+007F overlong in two", "\xC1\xBF", 1, 0x7F, 0},
    {"U+0000 overlong in three", "\xE0\x80\x80", 1, 0x0, 0},
    {"U+07FF overlong in three", "\xE0\x9F\xBF", 1, 0x7FF, 0},
    {"U+0000 overlong in four", "\xF0\x80\x80\x80", 1, 0x0, 0},
    {"U+FFFF overlong in four", "\xF0\x8F\xBF\xBF", 1, 0xFFFF, 0},
    {"the first surrogate", "\xED\xA0\x80", 1, 0xD800, 0},
    {"the last surrogate", "\xED\xBF\xBF", 1, 0xDFFF, 0},
    {"U+110000", "\xF4\x90\x80\x80", 1, 0x110000, 0},
    {"U+140000", "\xF5\x80\x80\x80", 1, 0x140000, 0},
    {"U+1FFFFF", "\xF7\xBF\xBF\xBF", 1, 0x1FFFFF, 0},
    {"the first of five", "\xF8\x88\x80\x80\x80", 1, {}, 0},
    {"the first of six", "\xFC\x84\x80\x80\x80\x80", 1, {}, 0},
    {"FE", "\xFE", 1, {}, 0},
    {"FF", "\xFF", 1, {}, 0},
    {"one of two", "\xC2", 1, {}, 1},
    {"one of two, overlong", "\xC1", 1, {}, 0},
    {"one of three", "\xE4", 1, {}, 1},
    {"two of three", "\xE4\xBD", 2, {}, 2},
    {"two of three, overlong", "\xE0\x9F", 1, {}, 0},
    {"two of three, a surrogate", "\xED\xA0", 1, {}, 0},
    {"one of four", "\xF0", 1, {}, 1},
    {"two of four", "\xF0\x9F", 2, {}, 2},
    {"three of four", "\xF0\x9F\x99", 3, {}, 3},
    {"two of four, overlong", "\xF0\x8F", 1, {}, 0},
    {"two of four, above U+10FFFF", "\xF4\x90", 1, {}, 0},
    {"three of four, above U+10FFFF", "\xF4\x90\x80", 1, {}, 0},
    {"one of two, then a letter",
     "\xC2"
     "a",
     1,
     {},
     0},
    {"two of three, then a letter",
     "\xE4\xBD"
     "a",
     2,
     {},
     0},
    {"three of four, then a letter",
     "\xF0\x9F\x99"
     "a",
     3,
     {},
     0},
    {"two of three, then a first byte", "\xE4\xBD\xC2", 2, {}, 1},
    {"a first byte where a second has to be", "\xE4\xE4\xBD\xA0", 1, {}, 0},
};

std::string encoded(char32_t code) {
  std::string text;
  append_utf8(text, code);
  return text;
}

TEST(Utf8, EveryCodePointComesBack) {
  size_t n = 0;
  for (char32_t code = 0; code <= kLastCodePoint; ++code) {
    if (!is_scalar_value(code)) continue;
    ++n;
    const std::string text = encoded(code);
    const Utf8Sequence strict = decode_utf8(text), loose = decode_utf8_loosely(text);
    const Character fast = character_at(text, 0);
    const bool same = strict.valid && loose.valid && strict.code == code && loose.code == code &&
                      fast.code == code;
    const bool whole = strict.length == text.size() && loose.length == text.size() &&
                       fast.length == text.size() && utf8_length(text[0]) == text.size();
    ASSERT_TRUE(same && whole) << std::hex << static_cast<uint32_t>(code);
    ASSERT_EQ(incomplete_utf8_tail(text), 0u) << std::hex << static_cast<uint32_t>(code);
    ASSERT_EQ(character_begin(text, text.size() - 1), 0u);
    ASSERT_EQ(character_end(text, 1), text.size());
    for (size_t cut = 1; cut < text.size(); ++cut) {
      ASSERT_EQ(incomplete_utf8_tail(text.substr(0, cut)), cut);
    }
  }
  EXPECT_EQ(n, 1'112'064u);
}

TEST(Utf8, WritesTheShortestForm) {
  EXPECT_EQ(encoded(0), std::string(1, '\0'));
  EXPECT_EQ(encoded(0x7F), "\x7F");
  EXPECT_EQ(encoded(0x80), "\xC2\x80");
  EXPECT_EQ(encoded(0x7FF), "\xDF\xBF");
  EXPECT_EQ(encoded(0x800), "\xE0\xA0\x80");
  EXPECT_EQ(encoded(0xFFFF), "\xEF\xBF\xBF");
  EXPECT_EQ(encoded(0x10000), "\xF0\x90\x80\x80");
  EXPECT_EQ(encoded(0x10FFFF), "\xF4\x8F\xBF\xBF");
  EXPECT_EQ(encoded(0xD800), "\xED\xA0\x80");  // for whoever asks
  EXPECT_EQ(encoded(kReplacementCharacter), kReplacementText);
}

TEST(Utf8, EveryKindOfWrongBytesIsTold) {
  for (const Wrong& wrong : kWrong) {
    SCOPED_TRACE(wrong.what);
    const Utf8Sequence strict = decode_utf8(wrong.bytes);
    EXPECT_FALSE(strict.valid);
    EXPECT_EQ(strict.code, kReplacementCharacter);
    EXPECT_EQ(strict.length, wrong.length);
    const Utf8Sequence loose = decode_utf8_loosely(wrong.bytes);
    EXPECT_EQ(loose.valid, wrong.loosely.has_value());
    EXPECT_EQ(loose.code, wrong.loosely.value_or(kReplacementCharacter));
    EXPECT_EQ(loose.length, wrong.loosely ? wrong.bytes.size() : 1u);
    EXPECT_EQ(incomplete_utf8_tail(wrong.bytes), wrong.incomplete);
    EXPECT_FALSE(is_valid_utf8(wrong.bytes));
    EXPECT_TRUE(is_valid_utf8(repair_utf8(wrong.bytes)));
    // Between other characters it is no other.
    const std::string inside = "é" + std::string(wrong.bytes) + "é";
    EXPECT_EQ(repair_utf8(inside), "é" + repair_utf8(wrong.bytes) + "é");
  }
}

// Of three bytes all that there are; of the fourth those at the edges.
TEST(Utf8, NothingIsValidButHowACharacterIsWritten) {
  const auto check = [](std::string_view bytes) {
    const Utf8Sequence next = decode_utf8(bytes);
    const std::string_view taken = bytes.substr(0, next.length);
    const auto row_length = utf8_length(bytes[0]);
    return next.valid ? is_scalar_value(next.code) && taken == encoded(next.code) &&
                            row_length == taken.size()
                      : next.length < std::max<size_t>(row_length, 2);
  };
  std::string bytes(4, '\0');
  for (uint32_t n = 0; n < 1U << 24; ++n) {
    bytes[0] = static_cast<char>(n >> 16);
    bytes[1] = static_cast<char>(n >> 8);
    bytes[2] = static_cast<char>(n);
    if (utf8_length(bytes[0]) < 4) {
      if (n % 256 != 0 && utf8_length(bytes[0]) < 3) continue;
      ASSERT_TRUE(check(std::string_view(bytes).substr(0, 3))) << std::hex << n;
      continue;
    }
    for (const char fourth : {'\x7F', '\x80', '\xBF', '\xC0'}) {
      bytes[3] = fourth;
      ASSERT_TRUE(check(bytes)) << std::hex << n;
    }
  }
}

TEST(Utf8, RepairsEachPartOnce) {
  // The example of Unicode 15, table 3-8, and what stands before it there.
  EXPECT_EQ(repair_utf8("a\xF1\x80\x80\xE1\x80\xC2"
                        "b\x80"
                        "c\x80\xBF"
                        "d"),
            "a\uFFFD\uFFFD\uFFFDb\uFFFDc\uFFFD\uFFFDd");
  EXPECT_EQ(repair_utf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(repair_utf8("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(repair_utf8("你好\xE4\xBD"), "你好\uFFFD");
  EXPECT_EQ(repair_utf8(""), "");
  EXPECT_TRUE(is_valid_utf8("naïve 🙂"));
  EXPECT_TRUE(is_valid_utf8(""));
  EXPECT_FALSE(is_valid_utf8("\xC0\xAF"));
}

TEST(Utf8, CutsBetweenCharacters) {
  const std::string_view text = "aé你🙂";  // of 1, 2, 3 and 4 bytes
  const std::vector<size_t> taken = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};  // by how many may be
  for (size_t most = 0; most < taken.size(); ++most) {
    EXPECT_EQ(utf8_prefix(text, most), text.substr(0, taken[most])) << most;
  }
  // What is broken by itself stays: that is for others to mend.
  EXPECT_EQ(utf8_prefix("a\xE4\xBD", 3), "a\xE4\xBD");
  EXPECT_EQ(utf8_prefix("\x80\x80\x80", 2), "\x80\x80");
}

TEST(Utf8, FindsTheEdgesOfCharacters) {
  const std::string_view text = "aé你🙂";  // of 1, 2, 3 and 4 bytes
  EXPECT_EQ(count_characters(text), 4u);
  const std::vector<size_t> begins = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6};
  const std::vector<size_t> ends = {0, 1, 3, 3, 6, 6, 6, 10, 10, 10, 10};
  for (size_t at = 0; at < text.size(); ++at) EXPECT_EQ(character_begin(text, at), begins[at]);
  for (size_t at = 0; at <= text.size(); ++at) EXPECT_EQ(character_end(text, at), ends[at]);
  EXPECT_EQ(incomplete_utf8_tail(""), 0u);
  EXPECT_EQ(incomplete_utf8_tail(std::string(100, '\x80')), 0u);
}

}  // namespace
}  // namespace autoglm
