// `for`: lazy like Python's, so that a body sees what a generator has not computed yet, with the
// `loop` variable of jinja2's LoopContext.
#include <fmt/format.h>

#include "text/jinja/builtins.h"
#include "text/jinja/interpreter.h"

namespace autoglm::jinja {

Result<Flow> Interpreter::run_for(const Statement& node) {
  const Value source = AGLM_TRY(evaluate(*node.value));
  return run_loop(node, source, 0);
}

Result<Flow> Interpreter::run_loop(const Statement& node, const Value& source, int64_t depth0) {
  auto loop = std::make_shared<Loop>();
  loop->statement = &node;
  loop->scope = scope_;
  loop->depth0 = depth0;
  loop->cursor = AGLM_TRY(Cursor::over(source));
  const ScopePtr outer = scope_;
  // The variable may outlive the loop in a namespace; what it refers to may not.
  struct Cleared {
    Loop* loop;
    ScopePtr* scope;
    ScopePtr before;
    ~Cleared() {
      loop->scope = nullptr;
      loop->cursor = {};
      loop->ahead.clear();
      loop->current = loop->before = loop->last_changed = std::nullopt;
      *scope = before;
    }
  } const cleared{loop.get(), &scope_, outer};

  bool completed = false;
  Flow flow = Flow::kNormal;
  Value item;
  for (;;) {
    scope_ = outer;
    if (!AGLM_TRY(advance(*loop, item))) break;
    scope_ = inner_scope();
    if (node.uses_loop) AGLM_TRY(store("loop", Value::object(Kind::kLoop, loop)));
    AGLM_TRY(assign(*node.target, item));
    flow = AGLM_TRY(run_body(node.body));
    if (flow == Flow::kBreak) break;
    // As in jinja2, only an iteration that reaches its end keeps the else branch away.
    if (flow == Flow::kNormal) completed = true;
  }
  if (completed || node.otherwise.empty()) return Flow::kNormal;
  scope_ = outer;
  return run_in_scope(node.otherwise, inner_scope());
}

// The next item that passes the loop's condition, not yet visited.
Result<bool> Interpreter::read_ahead(Loop& loop, Value& item) {
  const Statement& node = *loop.statement;
  while (AGLM_TRY(loop.cursor.next(*this, item))) {
    if (node.test == nullptr) return true;
    const ScopePtr before = scope_;
    scope_ = std::make_shared<Scope>();
    scope_->outer = loop.scope;
    Result<void> assigned = assign(*node.target, item);
    Result<Value> kept =
        assigned ? evaluate(*node.test) : Result<Value>(std::move(assigned).error());
    scope_ = before;
    if (!kept) return std::move(kept).error();
    if (truth(*kept)) return true;
  }
  return false;
}

Result<bool> Interpreter::advance(Loop& loop, Value& item) {
  if (!loop.ahead.empty()) {
    item = std::move(loop.ahead.front());
    loop.ahead.pop_front();
  } else if (!AGLM_TRY(read_ahead(loop, item))) {
    return false;
  }
  ++loop.index0;
  loop.before = std::move(loop.current);
  loop.current = item;
  return true;
}

Result<int64_t> Interpreter::loop_length(Loop& loop) {
  if (!loop.length) {
    if (loop.statement->test == nullptr && loop.cursor.has_size()) {
      loop.length = loop.cursor.size();
    } else {
      Value item;
      while (AGLM_TRY(read_ahead(loop, item))) {
        loop.ahead.push_back(std::move(item));
        AGLM_TRY(check_count(static_cast<int64_t>(loop.ahead.size())));
      }
      loop.length = static_cast<int64_t>(loop.ahead.size()) + loop.index0 + 1;
    }
  }
  return *loop.length;
}

namespace {

Result<Value> loop_cycle(Interpreter&, const Value& self, Arguments& arguments) {
  if (!arguments.named.empty()) return template_error("cycle() takes no keyword arguments");
  if (arguments.positional.empty()) return template_error("no items for cycling given");
  const int64_t index = std::max<int64_t>(self.as<Loop>().index0, 0);
  return arguments.positional[static_cast<size_t>(index) % arguments.positional.size()];
}

Result<Value> loop_changed(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  if (!arguments.named.empty()) return template_error("changed() takes no keyword arguments");
  Loop& loop = self.as<Loop>();
  const Value now = AGLM_TRY(interpreter.make_tuple(arguments.positional));
  if (loop.last_changed && AGLM_TRY(interpreter.equals(*loop.last_changed, now))) {
    return Value::boolean(false);
  }
  loop.last_changed = now;
  return Value::boolean(true);
}

Value method(std::string_view name, Builtin builtin, const std::shared_ptr<Object>& loop) {
  auto function = std::make_shared<Function>();
  function->name = name;
  function->builtin = builtin;
  function->self = Value::object(Kind::kLoop, loop);
  return Value::object(Kind::kFunction, std::move(function));
}

}  // namespace

Result<Value> Interpreter::loop_attribute(const std::shared_ptr<Object>& object,
                                          std::string_view name) {
  Loop& loop = static_cast<Loop&>(*object);
  if (name == "index") return Value::integer(loop.index0 + 1);
  if (name == "index0") return Value::integer(loop.index0);
  if (name == "first") return Value::boolean(loop.index0 == 0);
  if (name == "depth") return Value::integer(loop.depth0 + 1);
  if (name == "depth0") return Value::integer(loop.depth0);
  if (name == "length") return Value::integer(AGLM_TRY(loop_length(loop)));
  if (name == "revindex") return Value::integer(AGLM_TRY(loop_length(loop)) - loop.index0);
  if (name == "revindex0") return Value::integer(AGLM_TRY(loop_length(loop)) - loop.index0 - 1);
  if (name == "cycle") return method("cycle", loop_cycle, object);
  if (name == "changed") return method("changed", loop_changed, object);
  if (name == "previtem") {
    if (loop.index0 == 0 || !loop.before) return Value::undefined("there is no previous item");
    return *loop.before;
  }
  if (name == "last" || name == "nextitem") {
    Value item;
    if (loop.ahead.empty() && AGLM_TRY(read_ahead(loop, item))) loop.ahead.push_back(item);
    if (name == "last") return Value::boolean(loop.ahead.empty());
    if (loop.ahead.empty()) return Value::undefined("there is no next item");
    return loop.ahead.front();
  }
  return Value::undefined(
      fmt::format("'jinja2.runtime.LoopContext object' has no attribute '{}'", name));
}

Result<Value> Interpreter::call_loop(Loop& loop, const Value& source) {
  if (!loop.statement->recursive || loop.scope == nullptr) {
    return template_error("The loop must have the 'recursive' marker to be called recursively.");
  }
  const Deeper deeper(*this);
  AGLM_TRY(deeper.check());
  std::string text;
  std::string* const out = out_;
  const ScopePtr scope = scope_;
  out_ = &text;
  scope_ = loop.scope;
  Result<Flow> flow = run_loop(*loop.statement, source, loop.depth0 + 1);
  out_ = out;
  scope_ = scope;
  if (!flow) return std::move(flow).error();
  return make_string(std::move(text));
}

}  // namespace autoglm::jinja
