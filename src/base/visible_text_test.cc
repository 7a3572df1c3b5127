// What a terminal would obey is shown, what it would show stays.
#include "base/visible_text.h"

#include <gtest/gtest.h>

namespace autoglm {
namespace {

TEST(VisibleText, ShowsWhatTerminalsObey) {
  struct Case {
    std::string_view text, shown;
  };
  const Case cases[] = {
      {"plain, with \"quotes\" and a \\", "plain, with \"quotes\" and a \\"},
      {"智谱 é 🎉", "智谱 é 🎉"},
      {"\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"},
      {"\x1b]0;title\x07", "\\x1b]0;title\\x07"},
      {"one\n12:00:00.000 info  forged", "one\\n12:00:00.000 info  forged"},
      {"a\rb\tc\bd\x7f", "a\\rb\\tc\\x08d\\x7f"},
      {std::string_view("\0", 1), "\\x00"},
      {"\u009b31m", "\\u009b31m"},  // the one-byte form of ESC [
      {"\u202efdp.exe", "\\u202efdp.exe"},
      {"\u2066a\u2069\u200f", "\\u2066a\\u2069\\u200f"},
      {"a\u2028b", "a\\u2028b"},
      {"\U000E0041", "\\ue0041"},
      {"\xff\xfe", "\\xff\\xfe"},
      {"\xc0\xaf", "\\xc0\\xaf"},           // a slash, too long
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"},  // half of a pair
      {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
      {"\xe6\x99", "\\xe6\\x99"},  // cut
      {"", ""},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(visible(c.text), c.shown);
    EXPECT_EQ(visible(visible(c.text)), c.shown) << "nothing is left to do";
  }
}

TEST(VisibleText, KeepsTheLinesOfATextOfLines) {
  EXPECT_EQ(visible_lines("a\n\tb\r\n\x1b[2J"), "a\n\tb\\r\n\\x1b[2J");
}

}  // namespace
}  // namespace autoglm
