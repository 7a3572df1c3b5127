// Properties come from utf8proc; the few full case mappings that Python applies and utf8proc does
// not know (one letter to several, final sigma) are added here.
#include "text/jinja/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/utf8.h"

namespace autoglm::jinja {
namespace {

utf8proc_category_t category(char32_t code) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code));
}

// Unconditional mappings of Unicode's SpecialCasing.txt that turn one letter into several, for the
// letters of European scripts: {letter, upper, title}.
struct SpecialCase {
  char32_t letter;
  std::u32string_view upper;
  std::u32string_view title;
};
constexpr std::array<SpecialCase, 16> kSpecialCases{{
    {0x00DF, U"SS", U"Ss"},
    {0x0149, U"\u02BCN", U"\u02BCN"},
    {0x01F0, U"J\u030C", U"J\u030C"},
    {0x0390, U"\u0399\u0308\u0301", U"\u0399\u0308\u0301"},
    {0x03B0, U"\u03A5\u0308\u0301", U"\u03A5\u0308\u0301"},
    {0x0587, U"\u0535\u0552", U"\u0535\u0582"},
    {0x1E96, U"H\u0331", U"H\u0331"},
    {0x1E97, U"T\u0308", U"T\u0308"},
    {0x1E98, U"W\u030A", U"W\u030A"},
    {0x1E99, U"Y\u030A", U"Y\u030A"},
    {0xFB00, U"FF", U"Ff"},
    {0xFB01, U"FI", U"Fi"},
    {0xFB02, U"FL", U"Fl"},
    {0xFB03, U"FFI", U"Ffi"},
    {0xFB04, U"FFL", U"Ffl"},
    {0xFB06, U"ST", U"St"},
}};

const SpecialCase* special_case(char32_t code) {
  if (code < 0x80) return nullptr;
  for (const SpecialCase& entry : kSpecialCases) {
    if (entry.letter == code) return &entry;
  }
  return nullptr;
}

void append_all(std::string& out, std::u32string_view codes) {
  for (const char32_t code : codes) append_utf8(out, code);
}

void append_upper(std::string& out, char32_t code) {
  if (const SpecialCase* entry = special_case(code)) return append_all(out, entry->upper);
  append_utf8(out, static_cast<char32_t>(utf8proc_toupper(static_cast<int32_t>(code))));
}

void append_title(std::string& out, char32_t code) {
  if (const SpecialCase* entry = special_case(code)) return append_all(out, entry->title);
  append_utf8(out, static_cast<char32_t>(utf8proc_totitle(static_cast<int32_t>(code))));
}

bool is_cased(char32_t code) { return is_upper(code) || is_lower(code) || is_title(code); }

bool is_case_ignorable(char32_t code) {
  switch (category(code)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return true;
    default: return code == '\'' || code == '.' || code == ':' || code == 0xB7 || code == 0x2019;
  }
}

// A capital sigma at the end of a word becomes the final form (Unicode's Final_Sigma).
bool is_final_sigma(std::string_view text, size_t begin, size_t end) {
  bool before = false;
  for (size_t at = begin; at > 0;) {
    at = previous_offset(text, at);
    size_t next = at;
    const char32_t code = next_code_point(text, next);
    if (is_case_ignorable(code)) continue;
    before = is_cased(code);
    break;
  }
  if (!before) return false;
  for (size_t at = end; at < text.size();) {
    const char32_t code = next_code_point(text, at);
    if (!is_case_ignorable(code)) return !is_cased(code);
  }
  return true;
}

void append_lower(std::string& out, std::string_view text, size_t begin, size_t end,
                  char32_t code) {
  if (code == 0x130) return append_all(out, U"i\u0307");
  if (code == 0x3A3) return append_utf8(out, is_final_sigma(text, begin, end) ? 0x3C2 : 0x3C3);
  append_utf8(out, static_cast<char32_t>(utf8proc_tolower(static_cast<int32_t>(code))));
}

}  // namespace

int64_t count_code_points(std::string_view text) {
  int64_t count = 0;
  for (size_t at = 0; at < text.size(); ++count) next_code_point(text, at);
  return count;
}

size_t byte_offset(std::string_view text, int64_t index) {
  size_t at = 0;
  while (index > 0 && at < text.size()) {
    next_code_point(text, at);
    --index;
  }
  return at;
}

char32_t next_code_point(std::string_view text, size_t& at) {
  const Utf8Sequence next = decode_utf8_loosely(text.substr(at));
  at += next.length;
  return next.code;
}

size_t previous_offset(std::string_view text, size_t at) {
  // A valid code point has at most three continuation bytes; a stray byte stands for itself.
  for (size_t back = std::min<size_t>(4, at); back > 1; --back) {
    size_t next = at - back;
    next_code_point(text, next);
    if (next == at) return at - back;
  }
  return at - 1;
}

bool is_space(char32_t code) {
  if (code < 0x80) return (code >= 9 && code <= 13) || (code >= 0x1C && code <= 0x20);
  return code == 0x85 || category(code) == UTF8PROC_CATEGORY_ZS ||
         category(code) == UTF8PROC_CATEGORY_ZL || category(code) == UTF8PROC_CATEGORY_ZP;
}

bool is_line_end(char32_t code) {
  return (code >= 10 && code <= 13) || (code >= 0x1C && code <= 0x1E) || code == 0x85 ||
         code == 0x2028 || code == 0x2029;
}

bool is_printable(char32_t code) {
  if (code < 0x80) return code >= 0x20 && code < 0x7F;
  switch (category(code)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return false;
    default: return true;
  }
}

bool is_alphabetic(char32_t code) {
  switch (category(code)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return true;
    default: return false;
  }
}

bool is_decimal(char32_t code) { return category(code) == UTF8PROC_CATEGORY_ND; }

bool is_numeric(char32_t code) {
  const utf8proc_category_t kind = category(code);
  return kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_NL ||
         kind == UTF8PROC_CATEGORY_NO;
}

bool is_word(char32_t code) { return code == '_' || is_alphabetic(code) || is_numeric(code); }
bool is_upper(char32_t code) { return utf8proc_isupper(static_cast<int32_t>(code)) != 0; }
bool is_lower(char32_t code) { return utf8proc_islower(static_cast<int32_t>(code)) != 0; }
bool is_title(char32_t code) { return category(code) == UTF8PROC_CATEGORY_LT; }

std::string to_upper(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) append_upper(out, next_code_point(text, at));
  return out;
}

std::string to_lower(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t code = next_code_point(text, at);
    append_lower(out, text, begin, at, code);
  }
  return out;
}

std::string to_title(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool inside = false;  // a word is a run of cased letters
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t code = next_code_point(text, at);
    if (inside) {
      append_lower(out, text, begin, at, code);
    } else {
      append_title(out, code);
    }
    inside = is_cased(code);
  }
  return out;
}

std::string to_capitalized(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t code = next_code_point(text, at);
    if (begin == 0) {
      append_title(out, code);
    } else {
      append_lower(out, text, begin, at, code);
    }
  }
  return out;
}

std::string swap_case(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t code = next_code_point(text, at);
    if (is_upper(code)) {
      append_lower(out, text, begin, at, code);
    } else if (is_lower(code)) {
      append_upper(out, code);
    } else {
      append_utf8(out, code);
    }
  }
  return out;
}

namespace {

template <class Drop>
std::string_view strip_if(std::string_view text, Side side, Drop drop) {
  size_t begin = 0;
  size_t end = text.size();
  while (side != Side::kRight && begin < end) {
    size_t next = begin;
    if (!drop(next_code_point(text, next))) break;
    begin = next;
  }
  while (side != Side::kLeft && end > begin) {
    const size_t last = previous_offset(text, end);
    size_t next = last;
    if (!drop(next_code_point(text, next))) break;
    end = last;
  }
  return text.substr(begin, end - begin);
}

}  // namespace

std::string_view strip_spaces(std::string_view text, Side side) {
  return strip_if(text, side, is_space);
}

std::string_view strip_any(std::string_view text, std::string_view characters, Side side) {
  std::vector<char32_t> dropped;
  for (size_t at = 0; at < characters.size();) dropped.push_back(next_code_point(characters, at));
  std::sort(dropped.begin(), dropped.end());
  return strip_if(text, side, [&](char32_t code) {
    return std::binary_search(dropped.begin(), dropped.end(), code);
  });
}

}  // namespace autoglm::jinja
