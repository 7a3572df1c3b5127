// int, float, abs, round, filesizeformat.
#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "text/jinja/builtins.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/literals.h"

namespace autoglm::jinja {
namespace {

// int(v) of a float; nothing where Python raises.
Result<std::optional<int64_t>> whole(double v) {
  if (!std::isfinite(v)) return std::optional<int64_t>();
  if (std::abs(v) >= 9223372036854775808.0)
    return template_error("integer does not fit into 64 bits");
  return std::optional(static_cast<int64_t>(v));
}

// Reading a number looks at each character several times.
Result<void> spend_reading(Interpreter& interpreter, const Value& v) {
  if (v.is_string()) AGLM_TRY(interpreter.spend_scan(v.text()));
  return {};
}

Result<Value> to_int(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("int", arguments, {"default", "base"}));
  AGLM_TRY(spend_reading(interpreter, self));
  const Value otherwise = bound[0] == nullptr ? Value::integer(0) : *bound[0];
  const int64_t base = bound[1] == nullptr ? 10 : AGLM_TRY(integer_argument("int", *bound[1]));
  if (self.is_undefined()) return template_error(self.undefined_message());
  if (self.is_integral()) return Value::integer(self.as_int());
  std::optional<int64_t> v;
  if (self.is(Kind::kFloat)) {
    if (std::isinf(self.as_real())) return otherwise;
    v = AGLM_TRY(whole(self.as_real()));
  } else if (self.is_string()) {
    v = AGLM_TRY(read_integer(self.text(), base));
    if (!v) {  // "42.23" gives 42
      const std::optional<double> real = read_float(self.text());
      if (real) v = AGLM_TRY(whole(*real));
    }
  }
  return v ? Value::integer(*v) : otherwise;
}

Result<Value> to_float(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("float", arguments, {"default"}));
  AGLM_TRY(spend_reading(interpreter, self));
  if (self.is_undefined()) return template_error(self.undefined_message());
  if (self.is_number()) return Value::real(self.as_real());
  if (self.is_string()) {
    if (const std::optional<double> v = read_float(self.text())) return Value::real(*v);
  }
  return bound[0] == nullptr ? Value::real(0) : *bound[0];
}

Result<Value> absolute(Interpreter&, const Value& self, Arguments& arguments) {
  AGLM_TRY(bind("abs", arguments, {}));
  if (self.is(Kind::kFloat)) return Value::real(std::abs(self.as_real()));
  if (!self.is_integral()) {
    return template_error(fmt::format("bad operand type for abs(): '{}'", type_name(self)));
  }
  if (self.as_int() == INT64_MIN) return template_error("integer does not fit into 64 bits");
  return Value::integer(std::abs(self.as_int()));
}

// Python's round: the decimal digits of the double decide, halves go to even.
Result<double> round_to(double v, int64_t precision) {
  if (!std::isfinite(v)) return v;
  if (precision > 330) return v;  // no double has more decimals
  if (precision < -310) return std::copysign(0.0, v);
  if (precision >= 0) {
    const std::string digits = fmt::format("{:.{}f}", v, static_cast<int>(precision));
    double rounded = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), rounded);
    return rounded;
  }
  const double scale = std::pow(10.0, static_cast<double>(-precision));
  return std::nearbyint(v / scale) * scale;
}

Result<Value> round_integer(int64_t v, int64_t precision) {
  if (precision >= 0) return Value::integer(v);
  if (precision < -18) return Value::integer(0);
  int64_t scale = 1;
  for (int64_t i = precision; i < 0; ++i) scale *= 10;
  int64_t rest = v % scale;
  if (rest < 0) rest += scale;
  const int64_t down = v - rest;
  const bool up = rest * 2 > scale || (rest * 2 == scale && (down / scale) % 2 != 0);
  int64_t rounded = down;
  if (up && __builtin_add_overflow(down, scale, &rounded)) {
    return template_error("integer does not fit into 64 bits");
  }
  return Value::integer(rounded);
}

Result<Value> round(Interpreter&, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("round", arguments, {"precision", "method"}));
  const int64_t precision =
      bound[0] == nullptr ? 0 : AGLM_TRY(integer_argument("round", *bound[0]));
  const std::string_view method =
      bound[1] == nullptr ? "common" : AGLM_TRY(string_argument("round", *bound[1]));
  if (method != "common" && method != "ceil" && method != "floor") {
    return template_error("method must be common, ceil or floor");
  }
  if (self.is_undefined()) return template_error(self.undefined_message());
  if (!self.is_number()) {
    return template_error(fmt::format("type {} doesn't define __round__ method", type_name(self)));
  }
  if (method == "common") {
    if (self.is_integral()) return round_integer(self.as_int(), precision);
    return Value::real(AGLM_TRY(round_to(self.as_real(), precision)));
  }
  if (precision > 308 || precision < -308)
    return template_error("round() precision is out of range");
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = self.as_real() * scale;
  return Value::real((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Result<Value> file_size(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("filesizeformat", arguments, {"binary"}));
  const bool binary = bound[0] != nullptr && truth(*bound[0]);
  AGLM_TRY(spend_reading(interpreter, self));
  std::optional<double> size;
  if (self.is_number()) size = self.as_real();
  if (self.is_string()) size = read_float(self.text());
  if (!size || !std::isfinite(*size)) return template_error("filesizeformat needs a number");
  const double base = binary ? 1024 : 1000;
  if (*size == 1) return interpreter.make_string("1 Byte");
  if (*size < base) return interpreter.make_string(fmt::format("{} Bytes", std::trunc(*size)));
  double unit = base;
  size_t prefix = 0;
  constexpr std::string_view kPrefixes = "kMGTPEZY";
  while (prefix + 1 < kPrefixes.size() && *size >= unit * base) {
    unit *= base;
    ++prefix;
  }
  const char letter = binary && prefix == 0 ? 'K' : kPrefixes[prefix];
  return interpreter.make_string(
      fmt::format("{:.1f} {}{}", *size / unit, letter, binary ? "iB" : "B"));
}

constexpr BuiltinEntry kNumberFilters[] = {
    {"int", to_int},  {"float", to_float},           {"abs", absolute},
    {"round", round}, {"filesizeformat", file_size},
};

}  // namespace

std::span<const BuiltinEntry> number_filters() { return kNumberFilters; }

}  // namespace autoglm::jinja
