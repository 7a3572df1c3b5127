// The tests of `x is ...`.
#include <fmt/format.h>

#include "text/jinja/builtins.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/unicode.h"

namespace autoglm::jinja {
namespace {

using Check = bool (*)(const Value& v);

// A test without arguments.
template <Check check>
Result<Value> plain(Interpreter&, const Value& v, Arguments& arguments) {
  AGLM_TRY(bind("test", arguments, {}));
  return Value::boolean(check(v));
}

bool is_defined(const Value& v) { return !v.is_undefined(); }
bool is_undefined(const Value& v) { return v.is_undefined(); }
bool is_none(const Value& v) { return v.is_none(); }
bool is_boolean(const Value& v) { return v.is(Kind::kBool); }
bool is_true(const Value& v) { return v.is(Kind::kBool) && v.as_bool(); }
bool is_false(const Value& v) { return v.is(Kind::kBool) && !v.as_bool(); }
bool is_integer(const Value& v) { return v.is(Kind::kInt); }
bool is_float(const Value& v) { return v.is(Kind::kFloat); }
bool is_number(const Value& v) { return v.is_number(); }
bool is_text(const Value& v) { return v.is_string(); }
bool is_mapping(const Value& v) { return v.is(Kind::kDict); }
bool is_escaped(const Value& v) { return v.is_markup(); }

bool is_iterable(const Value& v) { return iterable(v) || v.is(Kind::kLoop); }

bool is_sequence(const Value& v) {
  return v.is_string() || v.is_sequence() || v.is(Kind::kDict) || v.is(Kind::kRange) ||
         v.is_undefined();
}

// Undefined and namespaces have __call__ or not as their Python classes do.
bool is_callable(const Value& v) {
  return v.is(Kind::kMacro) || v.is(Kind::kFunction) || v.is(Kind::kLoop) || v.is(Kind::kJoiner) ||
         v.is_undefined();
}

template <bool (*wanted)(char32_t), bool (*refused)(char32_t)>
Result<Value> has_case(Interpreter& interpreter, const Value& v, Arguments& arguments) {
  AGLM_TRY(bind("test", arguments, {}));
  const std::string text = AGLM_TRY(interpreter.to_text(v));
  AGLM_TRY(interpreter.spend_scan(text));
  bool found = false;
  for (size_t at = 0; at < text.size();) {
    const char32_t code = next_code_point(text, at);
    if (refused(code) || is_title(code)) return Value::boolean(false);
    found |= wanted(code);
  }
  return Value::boolean(found);
}

Result<Value> remainder(Interpreter& interpreter, const Value& v, const Value& by) {
  return interpreter.binary("%", v, by);
}

template <int expected>
Result<Value> parity(Interpreter& interpreter, const Value& v, Arguments& arguments) {
  AGLM_TRY(bind("test", arguments, {}));
  const Value rest = AGLM_TRY(remainder(interpreter, v, Value::integer(2)));
  return Value::boolean(AGLM_TRY(interpreter.equals(rest, Value::integer(expected))));
}

Result<Value> divisible(Interpreter& interpreter, const Value& v, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("divisibleby", arguments, {"num"}, 1));
  const Value rest = AGLM_TRY(remainder(interpreter, v, *bound[0]));
  return Value::boolean(AGLM_TRY(interpreter.equals(rest, Value::integer(0))));
}

Result<Value> same_as(Interpreter&, const Value& v, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("sameas", arguments, {"other"}, 1));
  return Value::boolean(v.same_object(*bound[0]));
}

Result<Value> equal_to(Interpreter& interpreter, const Value& v, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("eq", arguments, {"/b"}, 1));
  return Value::boolean(AGLM_TRY(interpreter.equals(v, *bound[0])));
}

Result<Value> not_equal_to(Interpreter& interpreter, const Value& v, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("ne", arguments, {"/b"}, 1));
  return Value::boolean(!AGLM_TRY(interpreter.equals(v, *bound[0])));
}

template <bool (*accept)(int)>
Result<Value> ordered(Interpreter& interpreter, const Value& v, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("comparison", arguments, {"/b"}, 1));
  const int c = AGLM_TRY(interpreter.ordered(v, *bound[0], "<"));
  return Value::boolean(c != 2 && accept(c));
}

bool less(int c) { return c < 0; }
bool less_equal(int c) { return c <= 0; }
bool greater(int c) { return c > 0; }
bool greater_equal(int c) { return c >= 0; }

Result<Value> is_in(Interpreter& interpreter, const Value& v, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("in", arguments, {"seq"}, 1));
  return Value::boolean(AGLM_TRY(interpreter.contains(*bound[0], v)));
}

template <Builtin (*find)(std::string_view)>
Result<Value> is_known(Interpreter& interpreter, const Value& v, Arguments& arguments) {
  AGLM_TRY(bind("test", arguments, {}));
  AGLM_TRY(interpreter.spend(v.weight() * 64));
  if (!hashable(v)) return template_error(fmt::format("unhashable type: '{}'", type_name(v)));
  return Value::boolean(v.is_string() && find(v.text()) != nullptr);
}

constexpr BuiltinEntry kTests[] = {
    {"defined", plain<is_defined>},
    {"undefined", plain<is_undefined>},
    {"none", plain<is_none>},
    {"boolean", plain<is_boolean>},
    {"true", plain<is_true>},
    {"false", plain<is_false>},
    {"integer", plain<is_integer>},
    {"float", plain<is_float>},
    {"number", plain<is_number>},
    {"string", plain<is_text>},
    {"mapping", plain<is_mapping>},
    {"sequence", plain<is_sequence>},
    {"iterable", plain<is_iterable>},
    {"callable", plain<is_callable>},
    {"escaped", plain<is_escaped>},
    {"lower", has_case<is_lower, is_upper>},
    {"upper", has_case<is_upper, is_lower>},
    {"odd", parity<1>},
    {"even", parity<0>},
    {"divisibleby", divisible},
    {"sameas", same_as},
    {"eq", equal_to},
    {"==", equal_to},
    {"equalto", equal_to},
    {"ne", not_equal_to},
    {"!=", not_equal_to},
    {"lt", ordered<less>},
    {"<", ordered<less>},
    {"lessthan", ordered<less>},
    {"le", ordered<less_equal>},
    {"<=", ordered<less_equal>},
    {"gt", ordered<greater>},
    {">", ordered<greater>},
    {"greaterthan", ordered<greater>},
    {"ge", ordered<greater_equal>},
    {">=", ordered<greater_equal>},
    {"in", is_in},
    {"filter", is_known<find_filter>},
    {"test", is_known<find_test>},
};

}  // namespace

std::span<const BuiltinEntry> tests() { return kTests; }

}  // namespace autoglm::jinja
