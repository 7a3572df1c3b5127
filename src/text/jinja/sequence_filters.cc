// Filters over whole sequences: first, last, length, sort, groupby, sum, min, max, dictsort...
#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/builtins.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/lookup.h"
#include "text/jinja/unicode.h"

namespace autoglm::jinja {
namespace {

// What reversed() gives: read once.
struct Reversed final : Iterator {
  std::vector<Value> items;  // taken from the back

  Result<bool> next(Interpreter&, Value& out) override {
    if (items.empty()) return false;
    out = std::move(items.back());
    items.pop_back();
    return true;
  }
};

struct Listed final : Iterator {
  std::vector<Value> items;
  size_t position = 0;

  Result<bool> next(Interpreter&, Value& out) override {
    if (position >= items.size()) return false;
    out = items[position++];
    return true;
  }
};

Result<Value> first(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  AGLM_TRY(bind("first", arguments, {}));
  Cursor cursor = AGLM_TRY(Cursor::over(self));
  Value item;
  if (AGLM_TRY(cursor.next(interpreter, item))) return item;
  return Value::undefined("No first item, sequence was empty.");
}

bool reversible(const Value& v) {
  return v.is_string() || v.is_sequence() || v.is(Kind::kDict) || v.is(Kind::kView) ||
         v.is(Kind::kRange) || v.is_undefined();
}

Result<Value> last(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  AGLM_TRY(bind("last", arguments, {}));
  if (!reversible(self)) {
    return template_error(fmt::format("'{}' object is not reversible", type_name(self)));
  }
  if (length_of(self) == 0) return Value::undefined("No last item, sequence was empty.");
  if (self.is_string() || self.is_sequence() || self.is(Kind::kRange)) {
    return interpreter.get_item(self, Value::integer(-1));
  }
  return AGLM_TRY(interpreter.collect(self)).back();
}

Result<Value> length(Interpreter&, const Value& self, Arguments& arguments) {
  AGLM_TRY(bind("length", arguments, {}));
  const int64_t n = length_of(self);
  if (n >= 0) return Value::integer(n);
  return template_error(fmt::format("object of type '{}' has no len()", type_name(self)));
}

Result<Value> list(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  AGLM_TRY(bind("list", arguments, {}));
  return interpreter.make_list(AGLM_TRY(interpreter.collect(self)));
}

Result<Value> reverse(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  AGLM_TRY(bind("reverse", arguments, {}));
  if (self.is_string()) {
    return interpreter.get_slice(self, Value::none(), Value::none(), Value::integer(-1));
  }
  std::vector<Value> items = AGLM_TRY(interpreter.collect(self));
  if (!reversible(self)) {
    std::reverse(items.begin(), items.end());
    return interpreter.make_list(std::move(items));
  }
  auto result = std::make_shared<Reversed>();
  result->items = std::move(items);
  result->depth = self.depth() + 1;
  return interpreter.make_iterator(std::move(result));
}

struct Keyed {
  Value key;
  Value item;
};

// Stable, as Python's; an error when two keys have no order. After one, all comparisons say no: the
// sort comes to its end in some order that nobody sees.
Result<void> sort_keyed(Interpreter& interpreter, std::vector<Keyed>& items, bool reverse) {
  Result<void> comparable;
  std::stable_sort(items.begin(), items.end(), [&](const Keyed& a, const Keyed& b) {
    if (!comparable) return false;
    const Result<int> c =
        interpreter.ordered(reverse ? b.key : a.key, reverse ? a.key : b.key, "<");
    if (!c) comparable = c.error();
    return c && *c == -1;
  });
  return comparable;
}

Result<std::vector<Keyed>> keyed(Interpreter& interpreter, const Value& self,
                                 const AttributePath& path, bool case_sensitive,
                                 const Value* otherwise = nullptr) {
  std::vector<Keyed> items;
  for (Value& item : AGLM_TRY(interpreter.collect(self))) {
    Value key = AGLM_TRY(path.look_up(interpreter, item, otherwise));
    if (!case_sensitive) key = AGLM_TRY(fold_case(interpreter, key));
    items.push_back({std::move(key), std::move(item)});
  }
  return items;
}

std::vector<Value> items_of(std::vector<Keyed> entries) {
  std::vector<Value> items;
  for (Keyed& entry : entries) items.push_back(std::move(entry.item));
  return items;
}

Result<Value> sort(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("sort", arguments, {"reverse", "case_sensitive", "attribute"}));
  const bool reversed = bound[0] != nullptr && truth(*bound[0]);
  const bool case_sensitive = bound[1] != nullptr && truth(*bound[1]);
  const std::vector<AttributePath> paths =
      AGLM_TRY(AttributePath::parse_several(interpreter, bound[2]));
  std::vector<Keyed> entries;
  for (Value& item : AGLM_TRY(interpreter.collect(self))) {
    std::vector<Value> keys;
    for (const AttributePath& path : paths) {
      const Value key = AGLM_TRY(path.look_up(interpreter, item));
      keys.push_back(case_sensitive ? key : AGLM_TRY(fold_case(interpreter, key)));
    }
    entries.push_back({AGLM_TRY(interpreter.make_list(std::move(keys))), std::move(item)});
  }
  AGLM_TRY(sort_keyed(interpreter, entries, reversed));
  return interpreter.make_list(items_of(std::move(entries)));
}

Result<Value> dict_sort(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("dictsort", arguments, {"case_sensitive", "by", "reverse"}));
  const bool case_sensitive = bound[0] != nullptr && truth(*bound[0]);
  const std::string_view by =
      bound[1] == nullptr ? "key" : AGLM_TRY(string_argument("dictsort", *bound[1]));
  if (by != "key" && by != "value") {
    return template_error("You can only sort by either \"key\" or \"value\"");
  }
  if (self.is_undefined()) return template_error(self.undefined_message());
  if (!self.is(Kind::kDict))
    return template_error(fmt::format("dictsort needs a dict, not {}", type_name(self)));
  std::vector<Keyed> entries;
  for (const auto& [key, v] : self.as<Dict>().entries) {
    const Value& part = by == "key" ? key : v;
    Value by_part = part;
    if (!case_sensitive) by_part = AGLM_TRY(fold_case(interpreter, part));
    Value pair = AGLM_TRY(interpreter.make_tuple({key, v}));
    entries.push_back({std::move(by_part), std::move(pair)});
  }
  AGLM_TRY(sort_keyed(interpreter, entries, bound[2] != nullptr && truth(*bound[2])));
  return interpreter.make_list(items_of(std::move(entries)));
}

Result<Value> group_by(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound =
      AGLM_TRY(bind("groupby", arguments, {"attribute", "default", "case_sensitive"}, 1));
  const bool case_sensitive = bound[2] != nullptr && truth(*bound[2]);
  const AttributePath path = AGLM_TRY(AttributePath::parse(interpreter, bound[0]));
  std::vector<Keyed> entries = AGLM_TRY(keyed(interpreter, self, path, case_sensitive, bound[1]));
  AGLM_TRY(sort_keyed(interpreter, entries, false));
  std::vector<Value> groups;
  for (size_t i = 0; i < entries.size();) {
    const Value key = entries[i].key;
    const Value shown = AGLM_TRY(path.look_up(interpreter, entries[i].item, bound[1]));
    std::vector<Value> members;
    for (; i < entries.size() && AGLM_TRY(interpreter.equals(entries[i].key, key)); ++i) {
      members.push_back(std::move(entries[i].item));
    }
    if (members.empty()) return template_error("groupby keys must equal themselves");  // NaN
    const Value list = AGLM_TRY(interpreter.make_list(std::move(members)));
    std::vector<Value> pair{shown, list};
    groups.push_back(AGLM_TRY(interpreter.make_tuple(std::move(pair), true)));
  }
  return interpreter.make_list(std::move(groups));
}

template <int sign>
Result<Value> extreme(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("min", arguments, {"case_sensitive", "attribute"}));
  const AttributePath path = AGLM_TRY(AttributePath::parse(interpreter, bound[1]));
  const std::vector<Keyed> entries =
      AGLM_TRY(keyed(interpreter, self, path, bound[0] != nullptr && truth(*bound[0])));
  if (entries.empty()) return Value::undefined("No aggregated item, sequence was empty.");
  const Keyed* best = &entries[0];
  for (const Keyed& entry : entries) {
    if (&entry == best) continue;
    if (AGLM_TRY(interpreter.ordered(entry.key, best->key, sign < 0 ? "<" : ">")) == sign) {
      best = &entry;
    }
  }
  return best->item;
}

Result<Value> sum(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("sum", arguments, {"attribute", "start"}));
  const AttributePath path = AGLM_TRY(AttributePath::parse(interpreter, bound[0]));
  Value total = bound[1] == nullptr ? Value::integer(0) : *bound[1];
  if (total.is_string())
    return template_error("sum() can't sum strings [use ''.join(seq) instead]");
  Cursor cursor = AGLM_TRY(Cursor::over(self));
  Value item;
  while (AGLM_TRY(cursor.next(interpreter, item))) {
    const Value part = AGLM_TRY(path.look_up(interpreter, item));
    total = AGLM_TRY(interpreter.binary("+", total, part));
  }
  return total;
}

// A generator in jinja2, so what is no mapping is an error only once it is read.
struct Items final : Iterator {
  Value source;
  size_t position = 0;

  Result<bool> next(Interpreter& interpreter, Value& out) override {
    if (source.is_undefined()) return false;
    if (!source.is(Kind::kDict)) return template_error("Can only get item pairs from a mapping.");
    const auto& entries = source.as<Dict>().entries;
    if (position >= entries.size()) return false;
    const auto& [key, v] = entries[position++];
    out = AGLM_TRY(interpreter.make_tuple({key, v}));
    return true;
  }
};

Result<Value> items(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  AGLM_TRY(bind("items", arguments, {}));
  auto result = std::make_shared<Items>();
  result->source = self;
  result->depth = self.depth() + 1;
  return interpreter.make_iterator(std::move(result));
}

Result<Value> slice(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("slice", arguments, {"slices", "fill_with"}, 1));
  const int64_t n_slices = AGLM_TRY(integer_argument("slice", *bound[0]));
  const std::vector<Value> source = AGLM_TRY(interpreter.collect(self));
  if (n_slices == 0) return template_error("integer division or modulo by zero");
  AGLM_TRY(interpreter.check_count(n_slices));
  auto result = std::make_shared<Listed>();
  result->depth = self.depth() + 2;
  if (n_slices > 0) {
    const auto n_items = static_cast<int64_t>(source.size());
    int64_t begin = 0;
    for (int64_t i = 0; i < n_slices; ++i) {
      const bool longer = i < n_items % n_slices;
      const int64_t end = begin + n_items / n_slices + (longer ? 1 : 0);
      std::vector<Value> part(source.begin() + begin, source.begin() + end);
      if (bound[1] != nullptr && !bound[1]->is_none() && !longer) part.push_back(*bound[1]);
      result->items.push_back(AGLM_TRY(interpreter.make_list(std::move(part))));
      begin = end;
    }
  }
  for (const Value& part : result->items) result->depth = std::max(result->depth, part.depth() + 1);
  return interpreter.make_iterator(std::move(result));
}

constexpr BuiltinEntry kSequenceFilters[] = {
    {"first", first},      {"last", last},       {"length", length},  {"count", length},
    {"list", list},        {"reverse", reverse}, {"sort", sort},      {"dictsort", dict_sort},
    {"groupby", group_by}, {"min", extreme<-1>}, {"max", extreme<1>}, {"sum", sum},
    {"items", items},      {"slice", slice},
};

}  // namespace

std::span<const BuiltinEntry> sequence_filters() { return kSequenceFilters; }

}  // namespace autoglm::jinja
