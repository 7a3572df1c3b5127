// The values a template computes with: Python's, as far as templates see them. Strings, lists,
// tuples and dicts are immutable once made (the sandbox forbids mutation), so copies share them;
// namespaces and one-pass iterators are the only things that change.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "autoglm/result.h"

namespace autoglm::jinja {

class Interpreter;
class Value;
struct Work;

// Python refuses deeper recursion long before; ours bounds every recursive walk over a value.
inline constexpr int kMaxValueDepth = 200;
// Lists that share parts can describe far more than they hold; a walk over one is bounded by this.
inline constexpr int64_t kMaxValueWeight = 4'000'000;

enum class Kind : uint8_t {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kList,
  kTuple,
  kDict,
  kView,  // d.keys(), d.values(), d.items()
  kRange,
  kIterator,  // what map, select, reversed... give: one pass, no length
  kNamespace,
  kLoop,
  kCycler,
  kJoiner,
  kMacro,
  kFunction,
};

// Whatever lives on the heap.
struct Object {
  virtual ~Object() = default;
};

class Value {
 public:
  Value() = default;  // undefined without a name
  static Value none();
  static Value boolean(bool value);
  static Value integer(int64_t value);
  static Value real(double value);
  // `what` is the error that any use but printing, testing and looping gives.
  static Value undefined(std::string what);
  static Value string(std::string bytes, bool markup = false);
  static Value list(std::vector<Value> items);
  static Value tuple(std::vector<Value> items, bool group = false);
  static Value object(Kind kind, std::shared_ptr<Object> heap);

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_undefined() const { return kind_ == Kind::kUndefined; }
  bool is_none() const { return kind_ == Kind::kNone; }
  bool is_string() const { return kind_ == Kind::kString; }
  bool is_sequence() const { return kind_ == Kind::kList || kind_ == Kind::kTuple; }
  bool is_integral() const { return kind_ == Kind::kInt || kind_ == Kind::kBool; }
  bool is_number() const { return is_integral() || kind_ == Kind::kFloat; }

  // Preconditions: the kind fits. as_int takes booleans too, as_real every number.
  bool as_bool() const { return integer_ != 0; }
  int64_t as_int() const { return integer_; }
  double as_real() const { return kind_ == Kind::kFloat ? real_ : static_cast<double>(integer_); }
  std::string_view text() const;
  int64_t text_length() const;  // in code points
  bool is_markup() const;
  const std::vector<Value>& items() const;  // of a list or a tuple
  template <class T>
  T& as() const {
    return static_cast<T&>(*heap_);
  }
  const std::shared_ptr<Object>& heap() const { return heap_; }

  std::string undefined_message() const;
  // Nesting: 0 for scalars, one more than the deepest element for containers.
  int depth() const;
  // How many values a walk over it meets, shared ones as often as they are met.
  int64_t weight() const;
  bool same_object(const Value& other) const;

 private:
  Kind kind_ = Kind::kUndefined;
  union {
    int64_t integer_ = 0;
    double real_;
  };
  std::shared_ptr<Object> heap_;
};

struct Missing final : Object {
  std::string what;
};

struct Text final : Object {
  std::string bytes;   // UTF-8
  int64_t length = 0;  // in code points
  bool markup = false;
};

struct Sequence final : Object {
  std::vector<Value> items;
  int depth = 1;
  int64_t weight = 1;
  bool group = false;  // groupby's pair: has .grouper and .list
};

// Insertion order, unique keys by Python's equality (1 == 1.0 == True).
struct Dict final : Object {
  std::vector<std::pair<Value, Value>> entries;
  int depth = 1;
  int64_t weight = 1;

  const Value* find(const Value& key, Work& work) const;
  const Value* find(std::string_view key) const;
  // Replaces or appends. Keys are hashable (checked by the caller).
  void set(const Value& key, Value value, Work& work);
  void set(std::string_view key, Value value);

 private:
  void put(int64_t position, const Value& key, Value value);
  int64_t position(const Value& key, Work& work) const;
  int64_t position(std::string_view key) const;
  std::unordered_map<std::string_view, size_t> index_;  // string keys, once there are many
};

struct View final : Object {
  enum class Part { kKeys, kValues, kItems };
  Value dict;
  Part part = Part::kItems;
};

// How many integers range(start, stop, step) has. Precondition: step is not 0.
int64_t range_size(int64_t start, int64_t stop, int64_t step);

struct Range final : Object {
  int64_t start = 0, stop = 0, step = 1;
  int64_t size() const { return range_size(start, stop, step); }
};

// A Python generator or iterator.
struct Iterator : Object {
  int depth = 1;
  // False at the end.
  virtual Result<bool> next(Interpreter& interpreter, Value& out) = 0;
};

struct Namespace final : Object {
  Dict fields;
};

struct Cycler final : Object {
  std::vector<Value> items;
  int depth = 1;
  size_t position = 0;
};

struct Joiner final : Object {
  std::string separator;
  bool used = false;
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

// A filter, test, method or global, written in C++. `self` is the filtered value, the tested
// value or the receiver.
using Builtin = Result<Value> (*)(Interpreter& interpreter, const Value& self,
                                  Arguments& arguments);

struct Function final : Object {
  std::string_view name;
  Builtin builtin = nullptr;
  Value self;
};

// What a comparison may still handle, in bytes. Values share their parts, so how much two of them
// have in common shows only on the way; once nothing is left, comparisons stop, and what they said
// means nothing.
struct Work {
  int64_t left = 0;
  bool spend(int64_t bytes) { return (left -= bytes) >= 0; }
};

bool truth(const Value& v);
// Python's ==.
bool equal(const Value& a, const Value& b, Work& work);
// Python's <, -1, 0 or 1; an error for kinds that have no order.
Result<int> order(const Value& a, const Value& b, std::string_view operation, Work& work);
bool hashable(const Value& v);
// "str", "int", "dict"... as Python's errors name it.
std::string_view type_name(const Value& v);

Error template_error(std::string what);

}  // namespace autoglm::jinja
