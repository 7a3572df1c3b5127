// Python's str.is... methods.
#include "text/jinja/builtins.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/unicode.h"

namespace autoglm::jinja {
namespace {

bool is_alphanumeric(char32_t code) { return is_alphabetic(code) || is_numeric(code); }
bool is_ascii(char32_t code) { return code < 0x80; }

// Whether every code point passes; `empty` is the answer for an empty string.
template <bool (*check)(char32_t), bool empty>
Result<Value> every(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  AGLM_TRY(bind("str predicate", arguments, {}));
  AGLM_TRY(interpreter.spend_scan(self.text()));
  const std::string_view text = self.text();
  if (text.empty()) return Value::boolean(empty);
  for (size_t at = 0; at < text.size();) {
    if (!check(next_code_point(text, at))) return Value::boolean(false);
  }
  return Value::boolean(true);
}

template <bool (*wanted)(char32_t), bool (*refused)(char32_t)>
Result<Value> cased(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  AGLM_TRY(bind("str predicate", arguments, {}));
  AGLM_TRY(interpreter.spend_scan(self.text()));
  const std::string_view text = self.text();
  bool found = false;
  for (size_t at = 0; at < text.size();) {
    const char32_t code = next_code_point(text, at);
    if (refused(code) || is_title(code)) return Value::boolean(false);
    found |= wanted(code);
  }
  return Value::boolean(found);
}

Result<Value> is_titled(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  AGLM_TRY(bind("istitle", arguments, {}));
  AGLM_TRY(interpreter.spend_scan(self.text()));
  const std::string_view text = self.text();
  bool inside = false;
  bool found = false;
  for (size_t at = 0; at < text.size();) {
    const char32_t code = next_code_point(text, at);
    const bool capital = is_upper(code) || is_title(code);
    if (capital ? inside : is_lower(code) && !inside) return Value::boolean(false);
    inside = capital || is_lower(code);
    found |= inside;
  }
  return Value::boolean(found);
}

Result<Value> is_identifier(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  AGLM_TRY(bind("isidentifier", arguments, {}));
  AGLM_TRY(interpreter.spend_scan(self.text()));
  const std::string_view text = self.text();
  for (size_t at = 0; at < text.size();) {
    const bool first = at == 0;
    const char32_t code = next_code_point(text, at);
    if (first ? code != '_' && !is_alphabetic(code) : !is_word(code)) return Value::boolean(false);
  }
  return Value::boolean(!text.empty());
}

constexpr BuiltinEntry kPredicates[] = {
    {"isspace", every<is_space, false>},
    {"isalpha", every<is_alphabetic, false>},
    {"isdigit", every<is_decimal, false>},
    {"isdecimal", every<is_decimal, false>},
    {"isnumeric", every<is_numeric, false>},
    {"isalnum", every<is_alphanumeric, false>},
    {"isascii", every<is_ascii, true>},
    {"isprintable", every<is_printable, true>},
    {"isupper", cased<is_upper, is_lower>},
    {"islower", cased<is_lower, is_upper>},
    {"istitle", is_titled},
    {"isidentifier", is_identifier},
};

}  // namespace

std::span<const BuiltinEntry> string_predicates() { return kPredicates; }

}  // namespace autoglm::jinja
