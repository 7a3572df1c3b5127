// The fields of both formats; how a single value is written stands in format_spec.cc.
#include "text/jinja/format.h"

#include <fmt/format.h>

#include <cmath>

#include "text/jinja/interpreter.h"
#include "text/jinja/literals.h"
#include "text/jinja/unicode.h"

namespace autoglm::jinja {
namespace {

// Hands out the values of a % format one after the other.
class PercentValues {
 public:
  explicit PercentValues(const Value& values) : values_(values) {}

  Result<Value> next() {
    if (values_.is(Kind::kTuple)) {
      if (used_ >= values_.items().size())
        return template_error("not enough arguments for format string");
      return values_.items()[used_++];
    }
    if (used_++ > 0) return template_error("not enough arguments for format string");
    return values_;
  }

  Result<Value> named(std::string_view name) {
    if (!values_.is(Kind::kDict)) return template_error("format requires a mapping");
    by_name_ = true;
    const Value* found = values_.as<Dict>().find(name);
    if (found == nullptr) return template_error(fmt::format("format key '{}' is missing", name));
    return *found;
  }

  bool all_used() const {
    if (values_.is(Kind::kTuple)) return used_ >= values_.items().size();
    return used_ > 0 || by_name_ || values_.is(Kind::kDict) || values_.is(Kind::kList);
  }

 private:
  Value values_;
  size_t used_ = 0;
  bool by_name_ = false;
};

Result<std::string> percent_value(Interpreter& interpreter, const Value& v, FormatSpec spec) {
  switch (spec.type) {
    case 's':
    case 'r':
    case 'a': {
      std::string text = spec.type == 's' ? AGLM_TRY(interpreter.to_text(v))
                                          : AGLM_TRY(interpreter.to_representation(v));
      spec.type = '\0';
      if (spec.align == '=') spec.align = '>', spec.fill = " ";
      return format_value(interpreter, Value::string(std::move(text)), spec);
    }
    case 'c':
      if (v.is_string() && v.text_length() == 1) {
        spec.type = '\0';
        return format_value(interpreter, v, spec);
      }
      break;
    default: break;
  }
  if (v.is_undefined()) return template_error(v.undefined_message());
  if (!v.is_number()) {
    return template_error(
        fmt::format("%{} format: a real number is required, not {}", spec.type, type_name(v)));
  }
  const bool integral = std::string_view("diuoxXc").find(spec.type) != std::string_view::npos;
  Value number = v;
  if (integral && v.is(Kind::kFloat)) {
    const double whole = std::trunc(v.as_real());
    if (std::string_view("diu").find(spec.type) == std::string_view::npos ||
        !(std::abs(whole) < 9.2e18)) {
      return template_error(
          fmt::format("%{} format: an integer is required, not float", spec.type));
    }
    number = Value::integer(static_cast<int64_t>(whole));
  } else if (v.is(Kind::kBool)) {
    number = Value::integer(v.as_int());
  }
  if (spec.type == 'i' || spec.type == 'u') spec.type = 'd';
  if (spec.type == 'd' && spec.precision >= 0) {
    AGLM_TRY(interpreter.check_bytes(spec.precision));
    std::string digits = AGLM_TRY(format_number(number, {}));
    const size_t sign = digits[0] == '-' ? 1 : 0;
    const auto missing = spec.precision - static_cast<int64_t>(digits.size() - sign);
    if (missing > 0) digits.insert(sign, static_cast<size_t>(missing), '0');
    spec.precision = -1;
    spec.type = '\0';
    if (spec.align == '\0') spec.align = '>';
    return format_value(interpreter, Value::string(std::move(digits)), spec);
  }
  return format_value(interpreter, number, spec);
}

// The flags, width and precision after '%'; advances to the conversion letter.
Result<FormatSpec> percent_spec(std::string_view format, size_t& at, PercentValues& values) {
  FormatSpec spec;
  bool left = false;
  bool zero = false;
  for (; at < format.size() && std::string_view("#0- +").find(format[at]) != std::string_view::npos;
       ++at) {
    if (format[at] == '#') spec.alternate = true;
    if (format[at] == '0') zero = true;
    if (format[at] == '-') left = true;
    if (format[at] == '+' || (format[at] == ' ' && spec.sign != '+')) spec.sign = format[at];
  }
  const auto count = [&]() -> Result<int64_t> {
    if (at < format.size() && format[at] == '*') {
      ++at;
      const Value v = AGLM_TRY(values.next());
      if (!v.is_integral()) return template_error("* wants int");
      return std::clamp<int64_t>(v.as_int(), INT32_MIN, INT32_MAX);
    }
    int64_t n = 0;
    while (at < format.size() && format[at] >= '0' && format[at] <= '9') {
      n = n * 10 + (format[at++] - '0');
      if (n > INT32_MAX) return template_error("width too big");
    }
    return n;
  };
  spec.width = AGLM_TRY(count());
  if (spec.width < 0) {
    left = true;
    spec.width = -spec.width;
  }
  if (at < format.size() && format[at] == '.') {
    ++at;
    spec.precision = std::max<int64_t>(AGLM_TRY(count()), 0);
  }
  spec.align = left ? '<' : zero ? '=' : '>';
  if (zero && !left) spec.fill = "0";
  while (at < format.size() && (format[at] == 'l' || format[at] == 'h' || format[at] == 'L')) ++at;
  if (at >= format.size()) return template_error("incomplete format");
  spec.type = format[at++];
  return spec;
}

// A replacement field of str.format: "name.attribute[item]!r:spec".
class Braces {
 public:
  Braces(Interpreter& interpreter, const Arguments& arguments)
      : interpreter_(interpreter), arguments_(arguments) {}

  Result<std::string> fill(std::string_view format, int depth) {
    if (depth > 2) return template_error("Max string recursion exceeded");
    std::string out;
    for (size_t at = 0; at < format.size();) {
      const char c = format[at];
      if ((c == '{' || c == '}') && at + 1 < format.size() && format[at + 1] == c) {
        out.push_back(c);
        at += 2;
      } else if (c == '}') {
        return template_error("Single '}' encountered in format string");
      } else if (c == '{') {
        const size_t end = field_end(format, at);
        if (end == std::string_view::npos) {
          return template_error("expected '}' before end of string");
        }
        out += AGLM_TRY(field(format.substr(at + 1, end - at - 1), depth));
        at = end + 1;
      } else {
        out.push_back(c);
        ++at;
      }
      AGLM_TRY(interpreter_.check_bytes(static_cast<int64_t>(out.size())));
    }
    return out;
  }

 private:
  static size_t field_end(std::string_view format, size_t at) {
    int open = 0;
    for (; at < format.size(); ++at) {
      if (format[at] == '{') ++open;
      if (format[at] == '}' && --open == 0) return at;
    }
    return std::string_view::npos;
  }

  Result<std::string> field(std::string_view text, int depth) {
    AGLM_TRY(interpreter_.spend(0));
    const size_t mark = text.find_first_of("!:");
    Value v = AGLM_TRY(lookup(text.substr(0, mark)));
    std::string spec;
    if (mark != std::string_view::npos) {
      std::string_view rest = text.substr(mark);
      if (rest[0] == '!') {
        if (rest.size() < 2 || (rest[1] != 'r' && rest[1] != 's' && rest[1] != 'a')) {
          return template_error("unknown conversion specifier");
        }
        v = Value::string(rest[1] == 's' ? AGLM_TRY(interpreter_.to_text(v))
                                         : AGLM_TRY(interpreter_.to_representation(v)));
        rest.remove_prefix(2);
      }
      if (!rest.empty() && rest[0] != ':')
        return template_error("expected ':' after conversion specifier");
      if (!rest.empty()) spec = AGLM_TRY(fill(rest.substr(1), depth + 1));
    }
    if (spec.empty()) return interpreter_.to_text(v);
    return format_value(interpreter_, v, AGLM_TRY(parse_spec(spec)));
  }

  Result<Value> first(std::string_view name) {
    const bool number =
        !name.empty() && name.find_first_not_of("0123456789") == std::string_view::npos;
    if (!name.empty() && !number) {
      AGLM_TRY(interpreter_.spend(static_cast<int64_t>(arguments_.named.size()) * 16));
      for (const auto& [key, v] : arguments_.named) {
        if (key == name) return v;
      }
      return template_error(fmt::format("format field '{}' is missing", name));
    }
    size_t index = 0;
    if (number) {
      if (next_ > 0)
        return template_error("cannot switch from automatic field numbering to manual");
      const auto read = AGLM_TRY(read_integer(name, 10));
      manual_ = true;
      index = read ? static_cast<size_t>(*read) : arguments_.positional.size();
    } else {
      if (manual_)
        return template_error("cannot switch from manual field specification to automatic");
      index = next_++;
    }
    if (index >= arguments_.positional.size()) {
      return template_error("Replacement index out of range for positional args tuple");
    }
    return arguments_.positional[index];
  }

  Result<Value> lookup(std::string_view path) {
    size_t at = std::min(path.find_first_of(".["), path.size());
    Value v = AGLM_TRY(first(path.substr(0, at)));
    while (at < path.size()) {
      if (path[at] == '.') {
        const size_t end = std::min(path.find_first_of(".[", at + 1), path.size());
        if (end == at + 1) return template_error("Empty attribute in format string");
        v = AGLM_TRY(interpreter_.get_attribute(v, path.substr(at + 1, end - at - 1)));
        at = end;
      } else if (path[at] == '[') {
        const size_t end = path.find(']', at);
        if (end == std::string_view::npos) return template_error("Missing ']' in format string");
        const std::string_view key = path.substr(at + 1, end - at - 1);
        if (key.empty()) return template_error("Empty attribute in format string");
        const bool number = key.find_first_not_of("0123456789") == std::string_view::npos;
        const auto index = number ? AGLM_TRY(read_integer(key, 10)) : std::nullopt;
        v = AGLM_TRY(interpreter_.get_item(
            v, index ? Value::integer(*index) : Value::string(std::string(key))));
        at = end + 1;
      } else {
        return template_error("Only '.' or '[' may follow ']' in format field specifier");
      }
    }
    return v;
  }

  Interpreter& interpreter_;
  const Arguments& arguments_;
  size_t next_ = 0;
  bool manual_ = false;
};

}  // namespace

Result<std::string> format_percent(Interpreter& interpreter, std::string_view format,
                                   const Value& values) {
  PercentValues source(values);
  std::string out;
  for (size_t at = 0; at < format.size();) {
    if (format[at] != '%') {
      const size_t end = std::min(format.find('%', at), format.size());
      out += format.substr(at, end - at);
      at = end;
      continue;
    }
    ++at;
    if (at < format.size() && format[at] == '%') {
      out.push_back('%');
      ++at;
      continue;
    }
    std::optional<Value> named;
    if (at < format.size() && format[at] == '(') {
      const size_t end = format.find(')', at);
      if (end == std::string_view::npos) return template_error("incomplete format key");
      named = AGLM_TRY(source.named(format.substr(at + 1, end - at - 1)));
      at = end + 1;
    }
    AGLM_TRY(interpreter.spend(0));
    const FormatSpec spec = AGLM_TRY(percent_spec(format, at, source));
    if (std::string_view("srdiuoxXeEfFgGca").find(spec.type) == std::string_view::npos) {
      return template_error(fmt::format("unsupported format character '{}'", spec.type));
    }
    const Value v = named ? *named : AGLM_TRY(source.next());
    out += AGLM_TRY(percent_value(interpreter, v, spec));
    AGLM_TRY(interpreter.check_bytes(static_cast<int64_t>(out.size())));
  }
  if (!source.all_used())
    return template_error("not all arguments converted during string formatting");
  return out;
}

Result<std::string> format_braces(Interpreter& interpreter, std::string_view format,
                                  const Arguments& arguments) {
  return Braces(interpreter, arguments).fill(format, 1);
}

}  // namespace autoglm::jinja
