// Methods of dicts, lists, tuples, ranges, numbers and cyclers that do not change them.
#include <fmt/format.h>

#include <cmath>

#include "text/jinja/builtins.h"
#include "text/jinja/interpreter.h"

namespace autoglm::jinja {
namespace {

template <View::Part part>
Result<Value> dict_view(Interpreter&, const Value& self, Arguments& arguments) {
  AGLM_TRY(bind("dict view", arguments, {}));
  auto view = std::make_shared<View>();
  view->dict = self;
  view->part = part;
  return Value::object(Kind::kView, std::move(view));
}

Result<Value> dict_get(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("get", arguments, {"/key", "/default"}, 1));
  if (const Value* found = AGLM_TRY(interpreter.find(self.as<Dict>(), *bound[0]))) return *found;
  return bound[1] == nullptr ? Value::none() : *bound[1];
}

Result<Value> copy(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  AGLM_TRY(bind("copy", arguments, {}));
  if (self.is(Kind::kDict)) {
    return interpreter.make_dict(std::make_shared<Dict>(self.as<Dict>()));
  }
  return interpreter.make_list(self.items());
}

Result<Value> count(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("count", arguments, {"/value"}, 1));
  int64_t n = 0;
  for (const Value& item : AGLM_TRY(interpreter.collect(self))) {
    if (item.same_object(*bound[0]) || AGLM_TRY(interpreter.equals(item, *bound[0]))) ++n;
  }
  return Value::integer(n);
}

Result<Value> index(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("index", arguments, {"/value", "/start", "/stop"}, 1));
  const std::vector<Value> items = AGLM_TRY(interpreter.collect(self));
  const auto size = static_cast<int64_t>(items.size());
  const auto limit = [&](const Value* v, int64_t otherwise) -> Result<int64_t> {
    if (v == nullptr) return otherwise;
    const int64_t at = AGLM_TRY(integer_argument("index", *v));
    return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size);
  };
  const int64_t stop = AGLM_TRY(limit(bound[2], size));
  for (int64_t i = AGLM_TRY(limit(bound[1], 0)); i < stop; ++i) {
    const Value& item = items[static_cast<size_t>(i)];
    if (item.same_object(*bound[0]) || AGLM_TRY(interpreter.equals(item, *bound[0]))) {
      return Value::integer(i);
    }
  }
  return template_error("value is not in the list");
}

Result<Value> is_integer(Interpreter&, const Value& self, Arguments& arguments) {
  AGLM_TRY(bind("is_integer", arguments, {}));
  const double v = self.as_real();
  return Value::boolean(std::isfinite(v) && v == std::floor(v));
}

Result<Value> bit_length(Interpreter&, const Value& self, Arguments& arguments) {
  AGLM_TRY(bind("bit_length", arguments, {}));
  const int64_t v = self.as_int();
  const uint64_t magnitude = v < 0 ? 0 - static_cast<uint64_t>(v) : static_cast<uint64_t>(v);
  return Value::integer(magnitude == 0 ? 0 : 64 - __builtin_clzll(magnitude));
}

Result<Value> cycler_next(Interpreter&, const Value& self, Arguments& arguments) {
  AGLM_TRY(bind("next", arguments, {}));
  Cycler& cycler = self.as<Cycler>();
  const Value v = cycler.items[cycler.position];
  cycler.position = (cycler.position + 1) % cycler.items.size();
  return v;
}

Result<Value> cycler_reset(Interpreter&, const Value& self, Arguments& arguments) {
  AGLM_TRY(bind("reset", arguments, {}));
  self.as<Cycler>().position = 0;
  return Value::none();
}

constexpr BuiltinEntry kDictMethods[] = {
    {"get", dict_get},
    {"keys", dict_view<View::Part::kKeys>},
    {"values", dict_view<View::Part::kValues>},
    {"items", dict_view<View::Part::kItems>},
    {"copy", copy},
};
constexpr BuiltinEntry kListMethods[] = {{"count", count}, {"index", index}, {"copy", copy}};
constexpr BuiltinEntry kTupleMethods[] = {{"count", count}, {"index", index}};
constexpr BuiltinEntry kFloatMethods[] = {{"is_integer", is_integer}};
constexpr BuiltinEntry kIntMethods[] = {{"bit_length", bit_length}};
constexpr BuiltinEntry kCyclerMethods[] = {{"next", cycler_next}, {"reset", cycler_reset}};

}  // namespace

std::span<const BuiltinEntry> container_methods(Kind kind) {
  switch (kind) {
    case Kind::kDict: return kDictMethods;
    case Kind::kList: return kListMethods;
    case Kind::kTuple:
    case Kind::kRange: return kTupleMethods;
    case Kind::kFloat: return kFloatMethods;
    case Kind::kInt:
    case Kind::kBool: return kIntMethods;
    case Kind::kCycler: return kCyclerMethods;
    default: return {};
  }
}

}  // namespace autoglm::jinja
