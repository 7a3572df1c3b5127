// Binary operators with Python's rules: true division, floor division and modulo that round down,
// concatenation and repetition, `%` as formatting, and membership.
#include <fmt/format.h>

#include <cmath>

#include "base/search.h"
#include "text/jinja/format.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/markup.h"

namespace autoglm::jinja {
namespace {

Error unsupported(std::string_view op, const Value& a, const Value& b) {
  return template_error(fmt::format("unsupported operand type(s) for {}: '{}' and '{}'", op,
                                    type_name(a), type_name(b)));
}

Error too_large() { return template_error("integer does not fit into 64 bits"); }

int64_t floor_divide(int64_t a, int64_t b) {
  return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

// Python's float modulo: the sign of the divisor.
double modulo(double a, double b) {
  double rest = std::fmod(a, b);
  if (rest != 0) return (rest < 0) != (b < 0) ? rest + b : rest;
  return std::copysign(0.0, b);
}

Result<Value> integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) return template_error("0.0 cannot be raised to a negative power");
    return Value::real(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  int64_t value = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(value, base, &value)) return too_large();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) return too_large();
  }
  return Value::integer(value);
}

Result<Value> real_arithmetic(std::string_view op, double a, double b) {
  if (op == "+") return Value::real(a + b);
  if (op == "-") return Value::real(a - b);
  if (op == "*") return Value::real(a * b);
  if (op == "**") {
    if (a == 0 && b < 0) return template_error("0.0 cannot be raised to a negative power");
    if (a < 0 && std::isfinite(b) && b != std::floor(b)) {
      return template_error("a negative number to a fractional power is complex");
    }
    const double power = std::pow(a, b);
    if (std::isinf(power) && std::isfinite(a) && std::isfinite(b)) {
      return template_error("Numerical result out of range");
    }
    return Value::real(power);
  }
  if (b == 0) return template_error(op == "/" ? "float division by zero" : "float modulo by zero");
  if (op == "/") return Value::real(a / b);
  if (op == "%") return Value::real(modulo(a, b));
  const double rest = modulo(a, b);
  const double quotient = (a - rest) / b;
  const double rounded = std::floor(quotient);
  return Value::real(quotient - rounded > 0.5 ? rounded + 1 : rounded);
}

}  // namespace

Result<Value> Interpreter::binary(std::string_view op, const Value& a, const Value& b) {
  // A string on the left formats even an undefined argument.
  if (op == "%" && a.is_string()) return make_string(AGLM_TRY(format_percent(*this, a.text(), b)));
  if (a.is_undefined()) return template_error(a.undefined_message());
  if (b.is_undefined()) return template_error(b.undefined_message());
  if (a.is_number() && b.is_number()) return arithmetic(op, a, b);
  if (op == "+") return add(a, b);
  if (op == "*" && b.is_integral()) return repeat(a, b.as_int());
  if (op == "*" && a.is_integral()) return repeat(b, a.as_int());
  return unsupported(op, a, b);
}

Result<Value> Interpreter::arithmetic(std::string_view op, const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) return integer_arithmetic(op, a.as_int(), b.as_int());
  return real_arithmetic(op, a.as_real(), b.as_real());
}

Result<Value> Interpreter::integer_arithmetic(std::string_view op, int64_t a, int64_t b) {
  int64_t value = 0;
  if (op == "+") {
    if (__builtin_add_overflow(a, b, &value)) return too_large();
    return Value::integer(value);
  }
  if (op == "-") {
    if (__builtin_sub_overflow(a, b, &value)) return too_large();
    return Value::integer(value);
  }
  if (op == "*") {
    if (__builtin_mul_overflow(a, b, &value)) return too_large();
    return Value::integer(value);
  }
  if (op == "**") return integer_power(a, b);
  if (b == 0) {
    return template_error(op == "/" ? "division by zero" : "integer division or modulo by zero");
  }
  if (op == "/") return Value::real(static_cast<double>(a) / static_cast<double>(b));
  if (a == INT64_MIN && b == -1) {
    return op == "//" ? Result<Value>(too_large()) : Value::integer(0);
  }
  const int64_t quotient = floor_divide(a, b);
  return Value::integer(op == "//" ? quotient : a - quotient * b);
}

Result<Value> Interpreter::add(const Value& a, const Value& b) {
  if (a.is_string() && b.is_string()) {
    const bool markup = a.is_markup() || b.is_markup();
    const auto part = [&](const Value& v) {
      return markup && !v.is_markup() ? escape_markup(v.text()) : std::string(v.text());
    };
    AGLM_TRY(check_bytes(static_cast<int64_t>(a.text().size() + b.text().size())));
    return make_string(part(a) + part(b), markup);
  }
  if (a.is_sequence() && a.kind() == b.kind()) {
    AGLM_TRY(check_count(static_cast<int64_t>(a.items().size() + b.items().size())));
    std::vector<Value> items = a.items();
    items.insert(items.end(), b.items().begin(), b.items().end());
    return a.is(Kind::kList) ? make_list(std::move(items)) : make_tuple(std::move(items));
  }
  if (a.is_string()) {
    return template_error(
        fmt::format("can only concatenate str (not \"{}\") to str", type_name(b)));
  }
  return unsupported("+", a, b);
}

Result<Value> Interpreter::repeat(const Value& sequence, int64_t count) {
  count = std::max<int64_t>(count, 0);
  int64_t total = 0;
  if (sequence.is_string()) {
    if (__builtin_mul_overflow(static_cast<int64_t>(sequence.text().size()), count, &total)) {
      total = INT64_MAX;
    }
    AGLM_TRY(check_bytes(total));
    std::string out;
    out.reserve(static_cast<size_t>(total));
    for (int64_t i = 0; i < count && total > 0; ++i) out += sequence.text();
    return make_string(std::move(out), sequence.is_markup());
  }
  if (!sequence.is_sequence()) return unsupported("*", sequence, Value::integer(count));
  if (__builtin_mul_overflow(static_cast<int64_t>(sequence.items().size()), count, &total)) {
    total = INT64_MAX;
  }
  AGLM_TRY(check_count(total));
  std::vector<Value> items;
  items.reserve(static_cast<size_t>(total));
  for (int64_t i = 0; i < count && total > 0; ++i) {
    items.insert(items.end(), sequence.items().begin(), sequence.items().end());
  }
  return sequence.is(Kind::kList) ? make_list(std::move(items)) : make_tuple(std::move(items));
}

Result<bool> Interpreter::contains(const Value& container, const Value& item) {
  switch (container.kind()) {
    case Kind::kString:
      if (!item.is_string()) {
        return template_error(
            fmt::format("'in <string>' requires string as left operand, not {}", type_name(item)));
      }
      AGLM_TRY(spend_search(container.text(), item.text()));
      return find_text(container.text(), item.text()) != std::string_view::npos;
    case Kind::kDict: return AGLM_TRY(find(container.as<Dict>(), item)) != nullptr;
    case Kind::kUndefined:
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kView:
    case Kind::kRange:
    case Kind::kIterator: break;
    default:
      return template_error(
          fmt::format("argument of type '{}' is not iterable", type_name(container)));
  }
  Cursor cursor = AGLM_TRY(Cursor::over(container));
  Value element;
  while (AGLM_TRY(cursor.next(*this, element))) {
    if (element.same_object(item) || AGLM_TRY(equals(element, item))) return true;
  }
  return false;
}

}  // namespace autoglm::jinja
