// Runs a parsed template over a context. One object per render; the builtins use it to make
// values (whose size is bounded and counted), to iterate, to call and to look attributes up.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/jinja/ast.h"
#include "text/jinja/cursor.h"

namespace autoglm::jinja {

struct Limits {
  int64_t steps = 10'000'000;           // evaluations, and 256 bytes of text handled each
  int64_t output_bytes = 64 << 20;      // of the text and of every string
  int64_t container_items = 1'000'000;  // of every list and dict
  int64_t memory_bytes = 512 << 20;     // allocated in all, the context apart
  int64_t held_scopes = 100'000;        // namespaces, and scopes that macros close over
  int depth = 1000;                     // nested evaluations and macro calls
};

// Variables of a body. Looking a name up walks outwards; storing stays here.
struct Scope final : Object {
  std::vector<std::pair<std::string_view, Value>> variables;  // names live in the tree
  std::shared_ptr<Scope> outer;
  bool held = false;  // a macro closes over it
};
using ScopePtr = std::shared_ptr<Scope>;

struct Macro final : Object {
  const Statement* definition = nullptr;
  ScopePtr scope;
};

struct Loop final : Object {
  const Statement* statement = nullptr;
  ScopePtr scope;           // where the loop stands
  std::deque<Value> ahead;  // read from the cursor and not yet visited, in order
  Cursor cursor;
  int64_t index0 = -1;
  int64_t depth0 = 0;
  std::optional<int64_t> length;
  std::optional<Value> current, before, last_changed;
};

enum class Flow { kNormal, kBreak, kContinue };

class Interpreter {
 public:
  using Clock = std::chrono::system_clock;
  Interpreter(const Template& parsed, Limits limits, Clock::time_point now)
      : template_(parsed), limits_(limits), now_(now) {}
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  Result<std::string> run(const json::object& context);

  Clock::time_point now() const { return now_; }

  // Counts work: `bytes` of text or values handled. An error when the render has done too much.
  // The rule of the builtins: whoever reads or writes a text has paid for all of it before; where
  // the work is more than one look at each byte, for that too. Calling a builtin pays for one look
  // at each text it is given.
  Result<void> spend(int64_t bytes);
  // The same for what an evaluation that has been counted does besides: small texts are free.
  Result<void> spend_more(int64_t bytes);
  // For a text that is read code point by code point.
  Result<void> spend_scan(std::string_view text);
  // For finding `needle` in `text` (search.h).
  Result<void> spend_search(std::string_view text, std::string_view needle);
  // New values, their size checked and counted.
  Result<Value> make_string(std::string bytes, bool markup = false);
  Result<Value> make_list(std::vector<Value> items);
  Result<Value> make_tuple(std::vector<Value> items, bool group = false);
  Result<Value> make_dict(std::shared_ptr<Dict> dict);
  Result<Value> make_iterator(std::shared_ptr<Iterator> iterator);
  Result<Value> make_namespace(std::shared_ptr<Namespace> fields);
  Result<void> check_count(int64_t items) const;
  Result<void> check_bytes(int64_t bytes) const;

  // Everything an iterable gives.
  Result<std::vector<Value>> collect(const Value& iterable);
  Result<Value> get_attribute(const Value& base, std::string_view name);
  Result<Value> get_item(const Value& base, const Value& index);
  Result<Value> get_slice(const Value& base, const Value& start, const Value& stop,
                          const Value& step);
  Result<Value> call(const Value& callee, Arguments arguments);
  Result<Value> call_filter(std::string_view name, const Value& value, Arguments arguments);
  Result<Value> call_test(std::string_view name, const Value& value, Arguments arguments);
  Result<Value> apply(Builtin builtin, const Value& self, Arguments arguments);
  Result<Value> binary(std::string_view op, const Value& a, const Value& b);
  Result<bool> contains(const Value& container, const Value& item);
  Result<bool> equals(const Value& a, const Value& b);
  Result<int> ordered(const Value& a, const Value& b, std::string_view operation);
  // Null when there is none; an error for a key that is not hashable.
  Result<const Value*> find(const Dict& dict, const Value& key);
  Result<void> put(Dict& dict, const Value& key, Value value);
  // str(v) and repr(v), counted.
  Result<std::string> to_text(const Value& v);
  Result<std::string> to_representation(const Value& v);
  // loop(...) of a recursive loop, and loop's attributes.
  Result<Value> loop_attribute(const std::shared_ptr<Object>& loop, std::string_view name);
  Result<Value> call_loop(Loop& loop, const Value& iterable);

 private:
  friend class Deeper;

  // Statements (statements.cc).
  Result<Flow> run_body(const Body& body);
  Result<Flow> run_statement(const Statement& node);
  Result<void> write(const Value& v);
  Result<void> write_string(const Value& v);
  Result<void> write_text(std::string_view text);
  Result<void> run_set(const Statement& node);
  Result<Flow> run_set_block(const Statement& node);
  Result<Flow> run_filter_block(const Statement& node);
  Result<Flow> run_if(const Statement& node);
  Result<Flow> run_for(const Statement& node);
  Result<Flow> run_loop(const Statement& node, const Value& iterable, int64_t depth0);
  Result<bool> advance(Loop& loop, Value& item);
  Result<bool> read_ahead(Loop& loop, Value& item);
  Result<int64_t> loop_length(Loop& loop);
  Result<Flow> run_with(const Statement& node);
  Result<Flow> run_in_scope(const Body& body, ScopePtr scope);
  ScopePtr inner_scope() const;
  Result<void> define_macro(const Statement& node);
  Result<void> run_call_block(const Statement& node);
  Result<std::string> captured(const Body& body, ScopePtr scope, Flow& flow);
  Result<void> assign(const Expr& target, const Value& value);
  Result<void> store(std::string_view name, Value value);
  Result<void> hold(ScopePtr scope);

  // Expressions (expressions.cc).
  Result<Value> evaluate(const Expr& node);
  Result<Value> evaluate_node(const Expr& node);
  Result<Value> evaluate_name(const Expr& node);
  Result<Value> evaluate_sequence(const Expr& node);
  Result<Value> evaluate_dict(const Expr& node);
  Result<Value> evaluate_slice(const Expr& node);
  Result<Value> evaluate_call(const Expr& node, const Value* caller);
  Result<Value> evaluate_filter(const Expr& node);
  Result<Value> evaluate_test(const Expr& node);
  Result<Value> evaluate_condition(const Expr& node);
  Result<Value> evaluate_logic(const Expr& node);
  Result<Value> evaluate_sign(const Expr& node);
  Result<Value> evaluate_binary(const Expr& node);
  Result<Value> evaluate_concat(const Expr& node);
  Result<Value> evaluate_compare(const Expr& node);
  Result<bool> compare(std::string_view op, const Value& a, const Value& b);
  Result<Arguments> evaluate_arguments(const CallArguments& call);
  Result<Value> call_macro(const Macro& macro, Arguments arguments);
  Result<void> bind_parameters(const Signature& signature, Arguments& arguments,
                               std::vector<std::optional<Value>>& bound);

  // Operators (operators.cc).
  Result<Value> arithmetic(std::string_view op, const Value& a, const Value& b);
  Result<Value> integer_arithmetic(std::string_view op, int64_t a, int64_t b);
  Result<Value> add(const Value& a, const Value& b);
  Result<Value> repeat(const Value& sequence, int64_t count);

  Result<Value> from_json(const json::value& v);
  Result<void> check_hashable(const Value& key);
  Result<void> spend_call(const Value& self, const Arguments& arguments);
  Result<void> allocate(int64_t bytes);
  // compare(work), whose work is counted.
  template <class Compare>
  auto counted(Compare compare) -> Result<decltype(compare(std::declval<Work&>()))>;
  Error located(Error error, Position position) const;

  const Template& template_;
  Limits limits_;
  Clock::time_point now_;
  int64_t steps_ = 0;
  int64_t memory_ = 0;
  int depth_ = 0;
  ScopePtr scope_;
  ScopePtr root_;
  std::string* out_ = nullptr;
  std::optional<Value> filtered_;  // the text of the filter block being applied
  std::map<std::string, Value, std::less<>> context_;
  // Kept to the end, and emptied then: namespaces and closed-over scopes may refer to themselves.
  std::vector<std::shared_ptr<Namespace>> namespaces_;
  std::vector<ScopePtr> held_scopes_;
};

// Counts nested evaluation while it lives.
class Deeper {
 public:
  explicit Deeper(Interpreter& interpreter) : interpreter_(&interpreter) { ++interpreter.depth_; }
  ~Deeper() { --interpreter_->depth_; }
  Deeper(const Deeper&) = delete;
  Deeper& operator=(const Deeper&) = delete;
  Result<void> check() const;

 private:
  Interpreter* interpreter_;
};

}  // namespace autoglm::jinja
