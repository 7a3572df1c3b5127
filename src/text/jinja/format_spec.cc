// Python's format specification mini-language:
// [[fill]align][sign][#][0][width][,][.precision][type].
#include <fmt/format.h>

#include <cmath>

#include "base/utf8.h"
#include "text/jinja/format.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/represent.h"
#include "text/jinja/unicode.h"

namespace autoglm::jinja {
namespace {

constexpr int64_t kMaxPrecision = 1000;  // more digits than any double has

bool is_align(char c) { return c == '<' || c == '>' || c == '^' || c == '='; }

Result<int64_t> read_count(std::string_view text, size_t& at) {
  int64_t n = 0;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
    n = n * 10 + (text[at++] - '0');
    if (n > INT32_MAX) return template_error("Too many decimal digits in format string");
  }
  return n;
}

std::string grouped(std::string_view digits, char separator, size_t every) {
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % every == 0) out.push_back(separator);
    out.push_back(digits[i]);
  }
  return out;
}

std::string with_sign(bool negative, char sign, std::string digits) {
  if (negative) return "-" + digits;
  if (sign == '+' || sign == ' ') return sign + digits;
  return digits;
}

Result<std::string> integer_text(const Value& v, const FormatSpec& spec) {
  const int64_t number = v.as_int();
  const uint64_t magnitude =
      number < 0 ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
  std::string digits;
  std::string_view prefix;
  switch (spec.type) {
    case 'b':
      digits = fmt::format("{:b}", magnitude);
      prefix = "0b";
      break;
    case 'o':
      digits = fmt::format("{:o}", magnitude);
      prefix = "0o";
      break;
    case 'x':
      digits = fmt::format("{:x}", magnitude);
      prefix = "0x";
      break;
    case 'X':
      digits = fmt::format("{:X}", magnitude);
      prefix = "0X";
      break;
    case 'c': {
      if (number < 0 || number > kLastCodePoint)
        return template_error("%c arg not in range(0x110000)");
      append_utf8(digits, static_cast<char32_t>(number));
      return digits;
    }
    default: digits = fmt::format("{}", magnitude);
  }
  if (spec.group != '\0') {
    digits = grouped(digits, spec.group, prefix.empty() ? 3 : 4);
  }
  if (spec.alternate) digits = std::string(prefix) + digits;
  return with_sign(number < 0, spec.sign, std::move(digits));
}

Result<std::string> real_number_text(double number, const FormatSpec& spec) {
  const bool percent = spec.type == '%';
  if (percent) number *= 100;
  const double magnitude = std::abs(number);
  const bool upper = spec.type == 'F' || spec.type == 'E' || spec.type == 'G';
  std::string digits;
  if (!std::isfinite(number)) {
    digits = std::isnan(number) ? (upper ? "NAN" : "nan") : (upper ? "INF" : "inf");
  } else {
    const int precision = static_cast<int>(spec.precision < 0 ? 6 : spec.precision);
    if (spec.precision > kMaxPrecision) return template_error("precision too big");
    switch (spec.type) {
      case 'e': digits = fmt::format("{:.{}e}", magnitude, precision); break;
      case 'E': digits = fmt::format("{:.{}E}", magnitude, precision); break;
      case 'g':
      case 'n': digits = fmt::format("{:.{}g}", magnitude, precision); break;
      case 'G': digits = fmt::format("{:.{}G}", magnitude, precision); break;
      case 'f':
      case 'F':
      case '%': digits = fmt::format("{:.{}f}", magnitude, precision); break;
      default:
        digits = spec.precision < 0 ? real_text(magnitude)
                                    : fmt::format("{:.{}g}", magnitude, std::max(precision, 1));
        if (spec.precision >= 0 && digits.find_first_of(".e") == std::string::npos) digits += ".0";
    }
    if (spec.group != '\0') {
      const size_t whole = digits.find_first_not_of("0123456789");
      const std::string rest = whole == std::string::npos ? "" : digits.substr(whole);
      digits = grouped(std::string_view(digits).substr(0, whole), spec.group, 3) + rest;
    }
  }
  if (percent) digits += "%";
  return with_sign(std::signbit(number) && !std::isnan(number), spec.sign, std::move(digits));
}

}  // namespace

Result<FormatSpec> parse_spec(std::string_view text) {
  FormatSpec spec;
  size_t at = 0;
  if (!text.empty()) {
    size_t next = 0;
    next_code_point(text, next);
    if (next < text.size() && is_align(text[next])) {
      spec.fill = text.substr(0, next);
      spec.align = text[next];
      at = next + 1;
    } else if (is_align(text[0])) {
      spec.align = text[0];
      at = 1;
    }
  }
  const auto take = [&](char c) {
    if (at >= text.size() || text[at] != c) return false;
    ++at;
    return true;
  };
  for (const char c : {'+', '-', ' '}) {
    if (take(c)) {
      spec.sign = c;
      break;
    }
  }
  spec.alternate = take('#');
  if (take('0') && spec.align == '\0') {
    spec.fill = "0";
    spec.align = '=';
  }
  spec.width = AGLM_TRY(read_count(text, at));
  if (take(',')) spec.group = ',';
  if (take('_')) spec.group = '_';
  if (take('.')) {
    const size_t begin = at;
    spec.precision = AGLM_TRY(read_count(text, at));
    if (at == begin) return template_error("Format specifier missing precision");
  }
  if (at < text.size()) spec.type = text[at++];
  if (at < text.size()) return template_error("Invalid format specifier");
  return spec;
}

Result<std::string> format_number(const Value& v, const FormatSpec& spec) {
  static constexpr std::string_view kRealTypes = "eEfFgGn%";
  if (v.is(Kind::kFloat) || kRealTypes.find(spec.type) != std::string_view::npos) {
    return real_number_text(v.as_real(), spec);
  }
  return integer_text(v, spec);
}

Result<std::string> format_value(Interpreter& interpreter, const Value& v, const FormatSpec& spec) {
  std::string text;
  static constexpr std::string_view kNumberTypes = "bcdoxXneEfFgG%";
  const bool number = v.is_number() && !(v.is(Kind::kBool) && spec.type == '\0');
  if (number) {
    if (spec.type == 's' ||
        (spec.type != '\0' && kNumberTypes.find(spec.type) == std::string_view::npos) ||
        (v.is(Kind::kFloat) &&
         std::string_view("bcdoxX").find(spec.type) != std::string_view::npos &&
         spec.type != '\0')) {
      return template_error(
          fmt::format("Unknown format code '{}' for object of type '{}'", spec.type, type_name(v)));
    }
    text = AGLM_TRY(format_number(v, spec));
  } else {
    const bool plain = v.is_string() || v.is(Kind::kBool);
    if ((spec.type != '\0' && spec.type != 's') || spec.align == '=' ||
        (!plain && (spec.width > 0 || spec.precision >= 0 || spec.align != '\0'))) {
      return template_error(
          fmt::format("unsupported format string passed to {}.__format__", type_name(v)));
    }
    text = AGLM_TRY(interpreter.to_text(v));
    if (spec.precision >= 0) text.resize(byte_offset(text, spec.precision));
  }
  AGLM_TRY(interpreter.check_bytes(spec.width * static_cast<int64_t>(spec.fill.size())));
  AGLM_TRY(interpreter.spend(spec.width));
  const int64_t missing = spec.width - count_code_points(text);
  if (missing <= 0) return text;
  const char align = spec.align != '\0' ? spec.align : number ? '>' : '<';
  const int64_t left = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  std::string out;
  size_t sign = 0;
  if (align == '=' && !text.empty() && (text[0] == '-' || text[0] == '+' || text[0] == ' '))
    sign = 1;
  out += text.substr(0, sign);
  for (int64_t i = 0; i < left; ++i) out += spec.fill;
  out += text.substr(sign);
  for (int64_t i = left; i < missing; ++i) out += spec.fill;
  return out;
}

}  // namespace autoglm::jinja
