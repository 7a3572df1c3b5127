// Literals, after jinja2/lexer.py's regular expressions and Python's unicode_escape codec.
#include "text/jinja/literals.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>

#include "base/utf8.h"
#include "text/jinja/unicode.h"

namespace autoglm::jinja {
namespace {

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'z') return c - 'a' + 10;
  if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
  return 99;
}

bool is_digit(std::string_view text, size_t at) {
  return at < text.size() && text[at] >= '0' && text[at] <= '9';
}

// Digits with single underscores between them; returns where they end, `at` when there are none.
size_t digits_end(std::string_view text, size_t at) {
  if (!is_digit(text, at)) return at;
  while (is_digit(text, at) || (at < text.size() && text[at] == '_' && is_digit(text, at + 1)))
    ++at;
  return at;
}

std::string without_underscores(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != '_') out.push_back(c);
  }
  return out;
}

double to_double(const std::string& text) {
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code == std::errc::result_out_of_range) {
    // from_chars leaves the value alone: too large is infinite, too small is zero.
    const size_t exponent = text.find_first_of("eE");
    const bool tiny =
        exponent != std::string::npos && text.find('-', exponent) != std::string::npos;
    return tiny ? 0.0 : std::numeric_limits<double>::infinity();
  }
  return value;
}

// False on overflow.
bool accumulate(std::string_view digits, int base, int64_t& value) {
  for (const char c : digits) {
    if (c == '_') continue;
    if (__builtin_mul_overflow(value, base, &value) ||
        __builtin_add_overflow(value, digit_value(c), &value)) {
      return false;
    }
  }
  return true;
}

size_t float_end(std::string_view text) {
  const size_t whole = digits_end(text, 0);
  size_t end = whole;
  bool fraction = false;
  if (end < text.size() && text[end] == '.' && is_digit(text, end + 1)) {
    end = digits_end(text, end + 1);
    fraction = true;
  }
  if (end < text.size() && (text[end] == 'e' || text[end] == 'E')) {
    size_t exponent = end + 1;
    if (exponent < text.size() && (text[exponent] == '+' || text[exponent] == '-')) ++exponent;
    if (is_digit(text, exponent)) return digits_end(text, exponent);
  }
  return fraction ? end : 0;
}

}  // namespace

NumberLiteral scan_number(std::string_view text, bool float_allowed) {
  NumberLiteral literal;
  if (const size_t end = float_end(text); float_allowed && end != 0) {
    literal.length = end;
    literal.is_float = true;
    literal.real = to_double(without_underscores(text.substr(0, end)));
    return literal;
  }
  if (text.size() > 2 && text[0] == '0') {
    const char prefix = static_cast<char>(text[1] | 0x20);
    const int base = prefix == 'x' ? 16 : prefix == 'o' ? 8 : prefix == 'b' ? 2 : 0;
    size_t end = 2;
    while (base != 0 && end < text.size() &&
           (digit_value(text[end]) < base ||
            (text[end] == '_' && end + 1 < text.size() && digit_value(text[end + 1]) < base))) {
      ++end;
    }
    if (end > 2) {
      literal.length = end;
      literal.overflow = !accumulate(text.substr(2, end - 2), base, literal.integer);
      return literal;
    }
  }
  size_t end = digits_end(text, 0);
  if (text[0] == '0') {  // only zeros may follow a zero
    end = 1;
    while (end < text.size() && (text[end] == '0' || (text[end] == '_' && end + 1 < text.size() &&
                                                      text[end + 1] == '0'))) {
      ++end;
    }
  }
  literal.length = end;
  literal.overflow = !accumulate(text.substr(0, end), 10, literal.integer);
  return literal;
}

std::string unify_newlines(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r') {
      out.push_back(text[i]);
    } else {
      out.push_back('\n');
      if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
    }
  }
  return out;
}

namespace {

// The hexadecimal escape after its letter; advances `at` behind it.
Result<char32_t> hexadecimal(std::string_view text, size_t& at, size_t length, char letter) {
  char32_t code = 0;
  for (size_t i = 0; i < length; ++i, ++at) {
    if (at >= text.size() || digit_value(text[at]) > 15) {
      return Error{ErrorCode::kCorrupt, fmt::format("truncated \\{} escape", letter), {}, {}, {}};
    }
    code = code << 4 | static_cast<char32_t>(digit_value(text[at]));
  }
  if (!is_scalar_value(code)) {
    return Error{ErrorCode::kCorrupt,
                 fmt::format("\\{} escape is not a Unicode character", letter),
                 {},
                 {},
                 {}};
  }
  return code;
}

}  // namespace

Result<std::string> unescape(std::string_view quoted) {
  std::string out;
  out.reserve(quoted.size());
  for (size_t at = 0; at < quoted.size();) {
    if (quoted[at] != '\\' || at + 1 >= quoted.size()) {
      out.push_back(quoted[at++]);
      continue;
    }
    const char c = quoted[at + 1];
    at += 2;
    switch (c) {
      case '\n': break;  // a joined line
      case '\\':
      case '\'':
      case '"': out.push_back(c); break;
      case 'a': out.push_back('\a'); break;
      case 'b': out.push_back('\b'); break;
      case 'f': out.push_back('\f'); break;
      case 'n': out.push_back('\n'); break;
      case 'r': out.push_back('\r'); break;
      case 't': out.push_back('\t'); break;
      case 'v': out.push_back('\v'); break;
      case 'x': append_utf8(out, AGLM_TRY(hexadecimal(quoted, at, 2, 'x'))); break;
      case 'u': append_utf8(out, AGLM_TRY(hexadecimal(quoted, at, 4, 'u'))); break;
      case 'U': append_utf8(out, AGLM_TRY(hexadecimal(quoted, at, 8, 'U'))); break;
      case 'N':
        return Error{ErrorCode::kUnsupported, "\\N{name} escapes are not supported", {}, {}, {}};
      default: {
        if (c >= '0' && c <= '7') {
          char32_t code = static_cast<char32_t>(c - '0');
          for (int i = 0; i < 2 && at < quoted.size() && quoted[at] >= '0' && quoted[at] <= '7';
               ++i) {
            code = code * 8 + static_cast<char32_t>(quoted[at++] - '0');
          }
          append_utf8(out, code);
          break;
        }
        out.push_back('\\');
        if (static_cast<unsigned char>(c) < 0x80) {
          out.push_back(c);
          break;
        }
        // jinja2 spells other letters as escapes first, so the backslash eats that escape's own.
        --at;
        const char32_t code = next_code_point(quoted, at);
        out += code < 0x100     ? fmt::format("x{:02x}", static_cast<uint32_t>(code))
               : code < 0x10000 ? fmt::format("u{:04x}", static_cast<uint32_t>(code))
                                : fmt::format("U{:08x}", static_cast<uint32_t>(code));
      }
    }
  }
  return out;
}

Result<std::optional<int64_t>> read_integer(std::string_view text, int64_t base) {
  std::string_view digits = strip_spaces(text, Side::kBoth);
  bool negative = false;
  if (!digits.empty() && (digits[0] == '+' || digits[0] == '-')) {
    negative = digits[0] == '-';
    digits.remove_prefix(1);
  }
  if (base != 0 && (base < 2 || base > 36)) return std::optional<int64_t>();
  if (digits.size() > 2 && digits[0] == '0') {
    const char prefix = static_cast<char>(digits[1] | 0x20);
    const int64_t named = prefix == 'x' ? 16 : prefix == 'o' ? 8 : prefix == 'b' ? 2 : 0;
    if (named != 0 && (base == named || base == 0)) {
      base = named;
      digits.remove_prefix(digits[2] == '_' ? 3 : 2);
    }
  }
  const bool free_base = base == 0;
  if (free_base) base = 10;
  bool after_digit = false;
  for (const char c : digits) {
    const bool separator = c == '_';
    if (separator ? !after_digit : digit_value(c) >= base) return std::optional<int64_t>();
    after_digit = !separator;
  }
  if (!after_digit) return std::optional<int64_t>();  // empty, or a trailing underscore
  if (free_base && digits[0] == '0' && digits.find_first_not_of("0_") != std::string_view::npos) {
    return std::optional<int64_t>();  // Python refuses leading zeros when it guesses the base
  }
  int64_t value = 0;
  if (!accumulate(digits, static_cast<int>(base), value)) {
    return Error{ErrorCode::kUnsupported, "integer does not fit into 64 bits", {}, {}, {}};
  }
  return std::optional<int64_t>(negative ? -value : value);
}

std::optional<double> read_float(std::string_view text) {
  std::string_view body = strip_spaces(text, Side::kBoth);
  double sign = 1;
  if (!body.empty() && (body[0] == '+' || body[0] == '-')) {
    sign = body[0] == '-' ? -1 : 1;
    body.remove_prefix(1);
  }
  const std::string lower = to_lower(body);
  if (lower == "inf" || lower == "infinity") return sign * std::numeric_limits<double>::infinity();
  if (lower == "nan") return std::numeric_limits<double>::quiet_NaN();
  for (size_t i = 0; i < body.size(); ++i) {
    const bool between = i > 0 && is_digit(body, i - 1) && is_digit(body, i + 1);
    if (body[i] == '_' && !between) return std::nullopt;
  }
  const std::string plain = without_underscores(body);
  if (plain.empty() || !(is_digit(plain, 0) || (plain[0] == '.' && is_digit(plain, 1)))) {
    return std::nullopt;
  }
  double value = 0;
  const auto [end, code] = std::from_chars(plain.data(), plain.data() + plain.size(), value);
  if (end != plain.data() + plain.size()) return std::nullopt;
  return sign * (code == std::errc() ? value : to_double(plain));
}

}  // namespace autoglm::jinja
