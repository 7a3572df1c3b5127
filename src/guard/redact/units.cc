#include "guard/redact/units.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <utility>

#include "base/utf8.h"

namespace autoglm::guard::redact {
namespace {

// Unicode's Default_Ignorable_Code_Point, as far as it is assigned.
constexpr std::pair<char32_t, char32_t> kInvisible[] = {
    {0x00AD, 0x00AD}, {0x034F, 0x034F}, {0x061C, 0x061C}, {0x115F, 0x1160},  {0x17B4, 0x17B5},
    {0x180B, 0x180F}, {0x200B, 0x200F}, {0x202A, 0x202E}, {0x2060, 0x206F},  {0x3164, 0x3164},
    {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF}, {0xFFA0, 0xFFA0}, {0xE0000, 0xE0FFF}};
// A key with an invisible character after each of its own still is one.
constexpr int kMostInvisible = 8;

bool is_invisible(char32_t code) {
  return std::any_of(std::begin(kInvisible), std::end(kInvisible), [code](const auto& range) {
    return code >= range.first && code <= range.second;
  });
}

// Cyrillic and Greek letters that nobody tells from Latin ones.
constexpr std::pair<char32_t, char> kLookalikes[] = {
    {U'а', 'a'}, {U'е', 'e'}, {U'о', 'o'}, {U'р', 'p'}, {U'с', 'c'}, {U'у', 'y'}, {U'х', 'x'},
    {U'і', 'i'}, {U'ѕ', 's'}, {U'ј', 'j'}, {U'һ', 'h'}, {U'А', 'A'}, {U'В', 'B'}, {U'Е', 'E'},
    {U'К', 'K'}, {U'М', 'M'}, {U'Н', 'H'}, {U'О', 'O'}, {U'Р', 'P'}, {U'С', 'C'}, {U'Т', 'T'},
    {U'Х', 'X'}, {U'Ѕ', 'S'}, {U'І', 'I'}, {U'Ј', 'J'}, {U'ο', 'o'}, {U'Α', 'A'}, {U'Β', 'B'},
    {U'Ε', 'E'}, {U'Ζ', 'Z'}, {U'Η', 'H'}, {U'Ι', 'I'}, {U'Κ', 'K'}, {U'Μ', 'M'}, {U'Ν', 'N'},
    {U'Ο', 'O'}, {U'Ρ', 'P'}, {U'Τ', 'T'}, {U'Υ', 'Y'}, {U'Χ', 'X'}};

char32_t lookalike(char32_t code) {
  if (code < 0x0370 || code > 0x052F) return code;
  for (const auto& [other, latin] : kLookalikes) {
    if (other == code) return static_cast<char32_t>(latin);
  }
  return code;
}

bool is_digit_category(char32_t code) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code)) == UTF8PROC_CATEGORY_ND;
}

// Decimal digits of all scripts stand in rows of ten that begin at a multiple of 16, or 6 behind.
char32_t plain_digit(char32_t code) {
  if (code < 0x80 || !is_digit_category(code)) return code;
  const char32_t place = code & 0xF;
  const bool late = place >= 6 && is_digit_category(code | 0xF);
  return U'0' + (late ? place - 6 : place);
}

// What compatibility decomposition makes of one character, at most so many.
struct Folded {
  std::array<char32_t, 4> codes{};
  size_t n = 0;
};

Folded fold(char32_t code) {
  if (code < 0x80 || (code >= 0x3400 && code <= 0x9FFF)) return {{code}, 1};  // ASCII, Han
  if (code >= 0xFF01 && code <= 0xFF5E) return {{code - 0xFEE0}, 1};
  if (code == 0x3000 || code == 0xA0 || code == 0x202F || code == 0x2009) return {{U' '}, 1};
  if (code >= 0x2010 && code <= 0x2015) return {{U'-'}, 1};
  if (code == 0x2212) return {{U'-'}, 1};
  if (code == 0x3001 || code == 0x3002 || (code >= 0x2018 && code <= 0x201D)) return {{code}, 1};
  if (is_invisible(code)) return {};
  std::array<utf8proc_int32_t, 16> parts;
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE);
  const utf8proc_ssize_t n =
      utf8proc_decompose_char(static_cast<utf8proc_int32_t>(code), parts.data(),
                              static_cast<utf8proc_ssize_t>(parts.size()), options, nullptr);
  Folded folded;
  if (n <= 0 || n > static_cast<utf8proc_ssize_t>(folded.codes.size())) return {{code}, 1};
  for (utf8proc_ssize_t i = 0; i < n; ++i) {
    const auto part = static_cast<char32_t>(parts[static_cast<size_t>(i)]);
    folded.codes[folded.n++] = plain_digit(lookalike(part));
  }
  return folded;
}

std::optional<char32_t> hexadecimal(std::string_view digits) {
  char32_t code = 0;
  for (const char c : digits) {
    const int value = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (value < 0) return std::nullopt;
    code = code * 16 + static_cast<char32_t>(value);
  }
  return code;
}

}  // namespace

int han_digit(char32_t code) {
  switch (code) {
    case U'〇':
    case U'零':
    case U'○':
    case U'洞': return 0;
    case U'一':
    case U'壹':
    case U'弌':
    case U'幺': return 1;
    case U'二':
    case U'贰':
    case U'貳':
    case U'两': return 2;
    case U'三':
    case U'叁':
    case U'參': return 3;
    case U'四':
    case U'肆': return 4;
    case U'五':
    case U'伍': return 5;
    case U'六':
    case U'陆':
    case U'陸': return 6;
    case U'七':
    case U'柒':
    case U'拐': return 7;
    case U'八':
    case U'捌': return 8;
    case U'九':
    case U'玖':
    case U'勾': return 9;
    default: return -1;
  }
}

void Normalizer::push(std::string_view bytes, std::vector<Unit>& units) {
  if (tail_.empty()) return run(bytes, false, units);
  const std::string joined = std::exchange(tail_, {}) + std::string(bytes);
  run(joined, false, units);
}

void Normalizer::finish(std::vector<Unit>& units) {
  const std::string rest = std::exchange(tail_, {});
  run(rest, true, units);
}

void Normalizer::run(std::string_view text, bool whole, std::vector<Unit>& units) {
  while (!text.empty()) {
    const size_t taken = take(text, whole, units);
    if (taken == 0) break;
    text.remove_prefix(taken);
  }
  tail_ = text;
}

size_t Normalizer::take(std::string_view text, bool whole, std::vector<Unit>& units) {
  const char first = text.front();
  if (first == '\\') return take_escape(text, whole, units);
  if (static_cast<signed char>(first) >= 0) {
    if (form_ == TextForm::kJson && first == '"') {
      // The quotes themselves are outside.
      const bool opens = !in_string_;
      in_string_ = false;
      add(U'"', 1, units);
      in_string_ = opens;
    } else {
      add(static_cast<char32_t>(first), 1, units);
    }
    return 1;
  }
  if (!whole && incomplete_utf8_tail(text) == text.size()) return 0;
  const Utf8Sequence character = decode_utf8(text);
  if (!character.valid) {
    add(kBreak, character.length, units);
    return character.length;
  }
  add(character.code, character.length, units);
  return character.length;
}

// JSON's escapes: inside its strings, and in plain text, which may hold JSON or code. In JSON's
// strings also those of a JSON text that a string holds: \\n is \n there, and \\\" a quote. A
// letter of an escape taken for one of the text would hide where a word begins.
size_t Normalizer::take_escape(std::string_view text, bool whole, std::vector<Unit>& units) {
  const bool in_json = form_ == TextForm::kJson;
  // A backslash of the inner text is two; what it escapes may be escaped itself.
  const bool inner = in_json && in_string_ && text.size() > 1 && text[1] == '\\';
  size_t at = inner ? 2 : 1;  // of what is escaped
  if (!whole && (text.size() <= at || (inner && text[2] == '\\' && text.size() == 3))) return 0;
  std::string_view letters = in_json && !in_string_ ? "" : "ntrbf\"/\\";
  if (inner) {
    const bool escaped = text.size() > 3 && text[2] == '\\' && (text[3] == '"' || text[3] == '\\');
    if (escaped) ++at;
    // A bare quote ends the string, and a bare backslash begins what comes next.
    letters = escaped ? "\"\\" : "ntrbf/";
  }
  const char letter = text.size() > at ? text[at] : '\0';
  if (letter == 'u') {
    const std::string_view digits = text.substr(at + 1, 4);
    const auto code = hexadecimal(digits);
    if (code && digits.size() < 4 && !whole) return 0;
    if (code && digits.size() == 4) {
      const bool scalar = is_scalar_value(*code);
      add(scalar ? *code : kReplacementCharacter, at + 5, units);
      return at + 5;
    }
  }
  const bool any = !inner && in_json && in_string_ && letter > 0;  // none of JSON's, but taken
  if (any || (letter != '\0' && letters.find(letter) != std::string_view::npos)) {
    const char32_t code = letter == 'n'                    ? U'\n'
                          : letter == 't'                  ? U'\t'
                          : letter == 'r'                  ? U'\r'
                          : letter == 'b' || letter == 'f' ? U' '
                                                           : static_cast<char32_t>(letter);
    add(code, at + 1, units);
    return at + 1;
  }
  add(U'\\', inner ? 2 : 1, units);
  return inner ? 2 : 1;
}

void Normalizer::add(char32_t code, size_t length, std::vector<Unit>& units) {
  const uint64_t begin = at_;
  at_ += length;
  const Folded folded = fold(code);
  if (folded.n == 0 && ++invisible_ <= kMostInvisible) return;
  invisible_ = 0;
  const bool in_string = form_ != TextForm::kJson || in_string_;
  if (folded.n == 0) {
    units.push_back({kBreak, begin, at_, in_string});
    return;
  }
  for (size_t i = 0; i < folded.n; ++i) {
    units.push_back({folded.codes[i], begin, at_, in_string});
  }
}

}  // namespace autoglm::guard::redact
