// map, select, reject, selectattr, rejectattr, attr, unique, batch: lazy as in Python, so each
// gives an iterator that can be read once.
#include <fmt/format.h>

#include "text/jinja/builtins.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/lookup.h"

namespace autoglm::jinja {
namespace {

// Reads another iterable; opened at the first item, as a Python generator runs only then.
struct Lazy : Iterator {
  Value source;
  std::optional<Cursor> cursor;

  Result<bool> read(Interpreter& interpreter, Value& out) {
    if (!cursor) cursor = AGLM_TRY(Cursor::over(source));
    return cursor->next(interpreter, out);
  }
};

struct Mapped final : Lazy {
  std::string filter;  // empty: an attribute is looked up
  AttributePath path;
  Value otherwise = Value::none();
  Arguments arguments;

  Result<bool> next(Interpreter& interpreter, Value& out) override {
    if (!truth(source)) return false;
    Value item;
    if (!AGLM_TRY(read(interpreter, item))) return false;
    out = filter.empty() ? AGLM_TRY(path.look_up(interpreter, item, &otherwise))
                         : AGLM_TRY(interpreter.call_filter(filter, item, arguments));
    return true;
  }
};

struct Selected final : Lazy {
  std::string test;  // empty: truth decides
  AttributePath path;
  Arguments arguments;
  bool wanted = true;

  Result<bool> next(Interpreter& interpreter, Value& out) override {
    if (!truth(source)) return false;
    while (AGLM_TRY(read(interpreter, out))) {
      const Value v = AGLM_TRY(path.look_up(interpreter, out));
      const Value verdict = test.empty() ? v : AGLM_TRY(interpreter.call_test(test, v, arguments));
      if (truth(verdict) == wanted) return true;
    }
    return false;
  }
};

struct Unique final : Lazy {
  AttributePath path;
  bool case_sensitive = false;
  Dict seen;

  Result<bool> next(Interpreter& interpreter, Value& out) override {
    while (AGLM_TRY(read(interpreter, out))) {
      Value key = AGLM_TRY(path.look_up(interpreter, out));
      if (!case_sensitive) key = AGLM_TRY(fold_case(interpreter, key));
      if (AGLM_TRY(interpreter.find(seen, key)) != nullptr) continue;
      AGLM_TRY(interpreter.put(seen, key, Value::none()));
      return true;
    }
    return false;
  }
};

struct Batches final : Lazy {
  int64_t size = 1;
  Value fill = Value::none();
  std::optional<Value> held;  // read, and first of the next batch

  Result<bool> next(Interpreter& interpreter, Value& out) override {
    std::vector<Value> batch;
    if (held) batch.push_back(*held);
    held.reset();
    Value item;
    while (AGLM_TRY(read(interpreter, item))) {
      if (static_cast<int64_t>(batch.size()) == size) {
        held = std::move(item);
        break;
      }
      batch.push_back(std::move(item));
      AGLM_TRY(interpreter.check_count(static_cast<int64_t>(batch.size())));
    }
    if (batch.empty() && !held) return false;
    if (!held && !fill.is_none() && static_cast<int64_t>(batch.size()) < size) {
      AGLM_TRY(interpreter.check_count(size));
      batch.resize(static_cast<size_t>(size), fill);
    }
    out = AGLM_TRY(interpreter.make_list(std::move(batch)));
    return true;
  }
};

// Arguments may hold values too: the depth covers them all.
int depth_with(const Value& source, const Arguments& arguments) {
  int depth = source.depth();
  for (const Value& v : arguments.positional) depth = std::max(depth, v.depth());
  for (const auto& [name, v] : arguments.named) depth = std::max(depth, v.depth());
  return depth + 1;
}

Result<Value> map(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  auto mapped = std::make_shared<Mapped>();
  mapped->source = self;
  mapped->depth = depth_with(self, arguments);
  if (arguments.positional.empty()) {
    const Bound bound = AGLM_TRY(bind("map", arguments, {"attribute", "default"}, 1));
    mapped->path = AGLM_TRY(AttributePath::parse(interpreter, bound[0]));
    if (bound[1] != nullptr) mapped->otherwise = *bound[1];
  } else {
    mapped->filter = AGLM_TRY(string_argument("map", arguments.positional[0]));
    if (mapped->filter.empty()) return template_error("No filter named ''");
    arguments.positional.erase(arguments.positional.begin());
    mapped->arguments = std::move(arguments);
  }
  return interpreter.make_iterator(std::move(mapped));
}

template <bool wanted, bool by_attribute>
Result<Value> select(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  auto selected = std::make_shared<Selected>();
  selected->source = self;
  selected->wanted = wanted;
  selected->depth = depth_with(self, arguments);
  auto& positional = arguments.positional;
  if (by_attribute) {
    if (positional.empty()) return template_error("Missing parameter for attribute name");
    selected->path = AGLM_TRY(AttributePath::parse(interpreter, &positional[0]));
    positional.erase(positional.begin());
  }
  if (!positional.empty()) {
    selected->test = AGLM_TRY(string_argument("select", positional[0]));
    if (selected->test.empty()) return template_error("No test named ''");
    positional.erase(positional.begin());
    selected->arguments = std::move(arguments);
  }
  return interpreter.make_iterator(std::move(selected));
}

Result<Value> unique(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("unique", arguments, {"case_sensitive", "attribute"}));
  auto result = std::make_shared<Unique>();
  result->source = self;
  result->depth = self.depth() + 1;
  result->case_sensitive = bound[0] != nullptr && truth(*bound[0]);
  result->path = AGLM_TRY(AttributePath::parse(interpreter, bound[1]));
  return interpreter.make_iterator(std::move(result));
}

Result<Value> batch(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("batch", arguments, {"linecount", "fill_with"}, 1));
  auto result = std::make_shared<Batches>();
  result->source = self;
  result->depth = depth_with(self, arguments);
  result->size = AGLM_TRY(integer_argument("batch", *bound[0]));
  if (bound[1] != nullptr) result->fill = *bound[1];
  return interpreter.make_iterator(std::move(result));
}

// foo|attr("bar"): the attribute, never the item of that name.
Result<Value> attribute(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("attr", arguments, {"name"}, 1));
  const std::string_view name = AGLM_TRY(string_argument("attr", *bound[0]));
  if (self.is(Kind::kDict)) {
    const MethodLookup found = find_method(self, name);
    if (found.builtin == nullptr && !found.unsafe) {
      return Value::undefined(fmt::format("'dict object' has no attribute '{}'", name));
    }
  }
  return interpreter.get_attribute(self, name);
}

constexpr BuiltinEntry kSelectionFilters[] = {
    {"map", map},
    {"select", select<true, false>},
    {"reject", select<false, false>},
    {"selectattr", select<true, true>},
    {"rejectattr", select<false, true>},
    {"unique", unique},
    {"batch", batch},
    {"attr", attribute},
};

}  // namespace

std::span<const BuiltinEntry> selection_filters() { return kSelectionFilters; }

}  // namespace autoglm::jinja
