// Construction, truth, equality and order of template values.
#include "text/jinja/value.h"

#include <fmt/format.h>

#include <cmath>

#include "text/jinja/unicode.h"

namespace autoglm::jinja {
namespace {

constexpr int64_t kValueWork = 48;  // bytes that comparing two values, texts apart, is taken for
constexpr size_t kIndexFrom = 16;   // shorter dicts are searched faster than hashed

int deepest(const std::vector<Value>& items) {
  int depth = 0;
  for (const Value& item : items) depth = std::max(depth, item.depth());
  return depth + 1;
}

// Saturates: sums of weights near the limit must not overflow.
int64_t add_weight(int64_t a, int64_t b) {
  return std::min<int64_t>(a + b, int64_t{2} * kMaxValueWeight);
}

Value sequence(Kind kind, std::vector<Value> items, bool group) {
  auto heap = std::make_shared<Sequence>();
  heap->depth = deepest(items);
  for (const Value& item : items) heap->weight = add_weight(heap->weight, item.weight());
  heap->items = std::move(items);
  heap->group = group;
  return Value::object(kind, std::move(heap));
}

// Exact comparison of an integer with a double, as Python does it: -1, 0, 1, or 2 for NaN.
int compare_numbers(const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) {
    return a.as_int() < b.as_int() ? -1 : a.as_int() > b.as_int() ? 1 : 0;
  }
  const long double x = a.is_integral() ? static_cast<long double>(a.as_int()) : a.as_real();
  const long double y = b.is_integral() ? static_cast<long double>(b.as_int()) : b.as_real();
  if (std::isnan(x) || std::isnan(y)) return 2;
  return x < y ? -1 : x > y ? 1 : 0;
}

bool equal_dicts(const Dict& a, const Dict& b, Work& work) {
  if (a.entries.size() != b.entries.size()) return false;
  for (const auto& [key, value] : a.entries) {
    const Value* other = b.find(key, work);
    if (other == nullptr || !equal(value, *other, work)) return false;
  }
  return true;
}

bool equal_ranges(const Range& a, const Range& b) {
  if (a.size() != b.size()) return false;
  return a.size() == 0 || (a.start == b.start && (a.size() == 1 || a.step == b.step));
}

}  // namespace

Value Value::none() {
  Value v;
  v.kind_ = Kind::kNone;
  return v;
}

Value Value::boolean(bool value) {
  Value v;
  v.kind_ = Kind::kBool;
  v.integer_ = value ? 1 : 0;
  return v;
}

Value Value::integer(int64_t value) {
  Value v;
  v.kind_ = Kind::kInt;
  v.integer_ = value;
  return v;
}

Value Value::real(double value) {
  Value v;
  v.kind_ = Kind::kFloat;
  v.real_ = value;
  return v;
}

Value Value::undefined(std::string what) {
  auto heap = std::make_shared<Missing>();
  heap->what = std::move(what);
  return object(Kind::kUndefined, std::move(heap));
}

Value Value::string(std::string bytes, bool markup) {
  auto heap = std::make_shared<Text>();
  heap->length = count_code_points(bytes);
  heap->bytes = std::move(bytes);
  heap->markup = markup;
  return object(Kind::kString, std::move(heap));
}

Value Value::list(std::vector<Value> items) {
  return sequence(Kind::kList, std::move(items), false);
}

Value Value::tuple(std::vector<Value> items, bool group) {
  return sequence(Kind::kTuple, std::move(items), group);
}

Value Value::object(Kind kind, std::shared_ptr<Object> heap) {
  Value v;
  v.kind_ = kind;
  v.heap_ = std::move(heap);
  return v;
}

std::string_view Value::text() const { return as<Text>().bytes; }
int64_t Value::text_length() const { return as<Text>().length; }
bool Value::is_markup() const { return is_string() && as<Text>().markup; }
const std::vector<Value>& Value::items() const { return as<Sequence>().items; }

std::string Value::undefined_message() const {
  return heap_ == nullptr ? "value is undefined" : as<Missing>().what;
}

int Value::depth() const {
  switch (kind_) {
    case Kind::kList:
    case Kind::kTuple: return as<Sequence>().depth;
    case Kind::kDict: return as<Dict>().depth;
    case Kind::kView: return as<View>().dict.depth() + 1;
    case Kind::kIterator: return as<Iterator>().depth;
    case Kind::kCycler: return as<Cycler>().depth;
    case Kind::kFunction: return as<Function>().self.depth() + 1;
    default: return 0;
  }
}

int64_t Value::weight() const {
  switch (kind_) {
    case Kind::kString: return 1 + text_length() / 64;
    case Kind::kList:
    case Kind::kTuple: return as<Sequence>().weight;
    case Kind::kDict: return as<Dict>().weight;
    case Kind::kView: return as<View>().dict.weight();
    default: return 1;
  }
}

bool Value::same_object(const Value& other) const {
  if (kind_ != other.kind_) return false;
  return heap_ != nullptr || other.heap_ != nullptr ? heap_ == other.heap_
                                                    : integer_ == other.integer_;
}

int64_t Dict::position(std::string_view key) const {
  if (entries.size() > kIndexFrom) {
    const auto found = index_.find(key);
    return found == index_.end() ? -1 : static_cast<int64_t>(found->second);
  }
  for (size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].first.is_string() && entries[i].first.text() == key) {
      return static_cast<int64_t>(i);
    }
  }
  return -1;
}

// Strings are hashed, or compared with the few keys there are; all else is compared one by one.
int64_t Dict::position(const Value& key, Work& work) const {
  if (key.is_string()) {
    const auto n_compared = static_cast<int64_t>(std::min(entries.size(), kIndexFrom));
    work.spend((1 + n_compared) * (1 + static_cast<int64_t>(key.text().size())));
    return position(key.text());
  }
  for (size_t i = 0; i < entries.size(); ++i) {
    if (equal(entries[i].first, key, work)) return static_cast<int64_t>(i);
    if (work.left < 0) break;
  }
  return -1;
}

const Value* Dict::find(const Value& key, Work& work) const {
  const int64_t at = position(key, work);
  return at < 0 ? nullptr : &entries[at].second;
}

const Value* Dict::find(std::string_view key) const {
  const int64_t at = position(key);
  return at < 0 ? nullptr : &entries[at].second;
}

void Dict::set(const Value& key, Value value, Work& work) {
  put(position(key, work), key, std::move(value));
}

void Dict::set(std::string_view key, Value value) {
  put(position(key), Value::string(std::string(key)), std::move(value));
}

void Dict::put(int64_t at, const Value& key, Value value) {
  depth = std::max(depth, 1 + std::max(key.depth(), value.depth()));
  weight = add_weight(weight, add_weight(key.weight(), value.weight()));
  if (at >= 0) {
    entries[at].second = std::move(value);
    return;
  }
  entries.emplace_back(key, std::move(value));
  if (entries.size() == kIndexFrom + 1) {
    for (size_t i = 0; i < entries.size(); ++i) {
      if (entries[i].first.is_string()) index_.emplace(entries[i].first.text(), i);
    }
  } else if (entries.size() > kIndexFrom && key.is_string()) {
    index_.emplace(entries.back().first.text(), entries.size() - 1);
  }
}

int64_t range_size(int64_t start, int64_t stop, int64_t step) {
  // Unsigned differences: start and stop may be at the ends of int64.
  const uint64_t up = static_cast<uint64_t>(stop) - static_cast<uint64_t>(start);
  const uint64_t down = static_cast<uint64_t>(start) - static_cast<uint64_t>(stop);
  uint64_t count = 0;
  if (step > 0 && stop > start) count = (up - 1) / static_cast<uint64_t>(step) + 1;
  if (step < 0 && stop < start) count = (down - 1) / (0 - static_cast<uint64_t>(step)) + 1;
  return count > static_cast<uint64_t>(INT64_MAX) ? INT64_MAX : static_cast<int64_t>(count);
}

bool truth(const Value& v) {
  switch (v.kind()) {
    case Kind::kUndefined:
    case Kind::kNone: return false;
    case Kind::kBool:
    case Kind::kInt: return v.as_int() != 0;
    case Kind::kFloat: return v.as_real() != 0;
    case Kind::kString: return !v.text().empty();
    case Kind::kList:
    case Kind::kTuple: return !v.items().empty();
    case Kind::kDict: return !v.as<Dict>().entries.empty();
    case Kind::kView: return truth(v.as<View>().dict);
    case Kind::kRange: return v.as<Range>().size() > 0;
    default: return true;
  }
}

bool equal(const Value& a, const Value& b, Work& work) {
  if (!work.spend(kValueWork)) return false;
  if (a.is_number() && b.is_number()) return compare_numbers(a, b) == 0;
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kUndefined:
    case Kind::kNone: return true;
    case Kind::kString:
      if (a.text().size() != b.text().size()) return false;
      return work.spend(static_cast<int64_t>(a.text().size())) && a.text() == b.text();
    case Kind::kList:
    case Kind::kTuple: {
      const auto& x = a.items();
      const auto& y = b.items();
      if (x.size() != y.size()) return false;
      for (size_t i = 0; i < x.size(); ++i) {
        if (!work.spend(kValueWork)) return false;
        if (!x[i].same_object(y[i]) && !equal(x[i], y[i], work)) return false;
      }
      return true;
    }
    case Kind::kDict: return equal_dicts(a.as<Dict>(), b.as<Dict>(), work);
    case Kind::kRange: return equal_ranges(a.as<Range>(), b.as<Range>());
    case Kind::kView: {
      const View& x = a.as<View>();
      const View& y = b.as<View>();
      if (x.part != y.part || x.part == View::Part::kValues) return a.same_object(b);
      if (x.part == View::Part::kItems) return equal(x.dict, y.dict, work);
      const Dict& left = x.dict.as<Dict>();
      const Dict& right = y.dict.as<Dict>();
      if (left.entries.size() != right.entries.size()) return false;
      for (const auto& entry : left.entries) {
        if (right.find(entry.first, work) == nullptr) return false;
      }
      return true;
    }
    default: return a.same_object(b);
  }
}

Result<int> order(const Value& a, const Value& b, std::string_view operation, Work& work) {
  work.spend(kValueWork);
  if (a.is_undefined()) return template_error(a.undefined_message());
  if (b.is_undefined()) return template_error(b.undefined_message());
  if (a.is_number() && b.is_number()) return compare_numbers(a, b);
  if (a.is_string() && b.is_string()) {
    if (!work.spend(static_cast<int64_t>(std::min(a.text().size(), b.text().size())))) return 0;
    const int c = a.text().compare(b.text());
    return c < 0 ? -1 : c > 0 ? 1 : 0;
  }
  if (a.is_sequence() && a.kind() == b.kind()) {
    const auto& x = a.items();
    const auto& y = b.items();
    for (size_t i = 0; i < x.size() && i < y.size(); ++i) {
      if (!equal(x[i], y[i], work)) return work.left < 0 ? 0 : order(x[i], y[i], operation, work);
    }
    return x.size() < y.size() ? -1 : x.size() > y.size() ? 1 : 0;
  }
  return template_error(fmt::format("'{}' not supported between instances of '{}' and '{}'",
                                    operation, type_name(a), type_name(b)));
}

bool hashable(const Value& v) {
  if (v.is(Kind::kList) || v.is(Kind::kDict)) return false;
  if (v.is(Kind::kView)) return v.as<View>().part == View::Part::kValues;
  if (v.is(Kind::kTuple)) {
    for (const Value& item : v.items()) {
      if (!hashable(item)) return false;
    }
  }
  return true;
}

std::string_view type_name(const Value& v) {
  switch (v.kind()) {
    case Kind::kUndefined: return "Undefined";
    case Kind::kNone: return "NoneType";
    case Kind::kBool: return "bool";
    case Kind::kInt: return "int";
    case Kind::kFloat: return "float";
    case Kind::kString: return "str";
    case Kind::kList: return "list";
    case Kind::kTuple: return "tuple";
    case Kind::kDict: return "dict";
    case Kind::kView: {
      switch (v.as<View>().part) {
        case View::Part::kKeys: return "dict_keys";
        case View::Part::kValues: return "dict_values";
        case View::Part::kItems: return "dict_items";
      }
      return "dict_items";
    }
    case Kind::kRange: return "range";
    case Kind::kIterator: return "generator";
    case Kind::kNamespace: return "Namespace";
    case Kind::kLoop: return "LoopContext";
    case Kind::kCycler: return "Cycler";
    case Kind::kJoiner: return "Joiner";
    case Kind::kMacro: return "Macro";
    case Kind::kFunction: return "builtin_function_or_method";
  }
  return "object";
}

Error template_error(std::string what) {
  return Error{ErrorCode::kInvalidArgument, std::move(what), {}, {}, {}};
}

}  // namespace autoglm::jinja
