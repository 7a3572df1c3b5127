// Evaluating expressions. Each kind has a small function of its own, so that deep recursion costs
// little stack.
#include <fmt/format.h>

#include "text/jinja/builtins.h"
#include "text/jinja/interpreter.h"

namespace autoglm::jinja {

Result<Value> Interpreter::evaluate(const Expr& node) {
  if (node.kind == ExprKind::kConst) return node.constant;
  const Deeper deeper(*this);
  AGLM_TRY(deeper.check());
  AGLM_TRY(spend(static_cast<int64_t>(node.name.size())));  // names are compared and looked up
  Result<Value> v = evaluate_node(node);
  if (!v) return located(std::move(v).error(), node.position);
  return v;
}

Result<Value> Interpreter::evaluate_node(const Expr& node) {
  switch (node.kind) {
    case ExprKind::kConst: return node.constant;
    case ExprKind::kName:
    case ExprKind::kNamespaceField: return evaluate_name(node);
    case ExprKind::kList:
    case ExprKind::kTuple: return evaluate_sequence(node);
    case ExprKind::kDict: return evaluate_dict(node);
    case ExprKind::kAttribute:
      return get_attribute(AGLM_TRY(evaluate(*node.children[0])), node.name);
    case ExprKind::kItem: {
      const Value base = AGLM_TRY(evaluate(*node.children[0]));
      return get_item(base, AGLM_TRY(evaluate(*node.children[1])));
    }
    case ExprKind::kSlice: return evaluate_slice(node);
    case ExprKind::kCall: return evaluate_call(node, nullptr);
    case ExprKind::kFilter: return evaluate_filter(node);
    case ExprKind::kTest: return evaluate_test(node);
    case ExprKind::kCondition: return evaluate_condition(node);
    case ExprKind::kOr:
    case ExprKind::kAnd: return evaluate_logic(node);
    case ExprKind::kNot: return Value::boolean(!truth(AGLM_TRY(evaluate(*node.children[0]))));
    case ExprKind::kNegate:
    case ExprKind::kPositive: return evaluate_sign(node);
    case ExprKind::kBinary: return evaluate_binary(node);
    case ExprKind::kConcat: return evaluate_concat(node);
    case ExprKind::kCompare: return evaluate_compare(node);
  }
  return Value();
}

Result<Value> Interpreter::evaluate_name(const Expr& node) {
  // Long scopes, and long chains of them, cost their search.
  constexpr int64_t kVariableCost = 16, kScopeCost = 16;
  int64_t cost = 0;
  for (const Scope* scope = scope_.get(); scope != nullptr; scope = scope->outer.get()) {
    cost += kScopeCost + static_cast<int64_t>(scope->variables.size()) * kVariableCost;
    if (cost > kScopeCost * 64) AGLM_TRY(spend(std::exchange(cost, 0)));
    for (const auto& [name, v] : scope->variables) {
      if (name == node.name) return v;
    }
  }
  if (const auto found = context_.find(node.name); found != context_.end()) return found->second;
  if (const Builtin global = find_global(node.name); global != nullptr) {
    auto function = std::make_shared<Function>();
    function->name = node.name;
    function->builtin = global;
    return Value::object(Kind::kFunction, std::move(function));
  }
  if (node.name == "self") return template_error("'self' is refused: templates stand alone");
  return Value::undefined(fmt::format("'{}' is undefined", node.name));
}

Result<Value> Interpreter::evaluate_sequence(const Expr& node) {
  std::vector<Value> items;
  items.reserve(node.children.size());
  for (const ExprPtr& child : node.children) items.push_back(AGLM_TRY(evaluate(*child)));
  return node.kind == ExprKind::kList ? make_list(std::move(items)) : make_tuple(std::move(items));
}

Result<Value> Interpreter::evaluate_dict(const Expr& node) {
  auto dict = std::make_shared<Dict>();
  for (size_t i = 0; i + 1 < node.children.size(); i += 2) {
    const Value key = AGLM_TRY(evaluate(*node.children[i]));
    Value v = AGLM_TRY(evaluate(*node.children[i + 1]));
    AGLM_TRY(put(*dict, key, std::move(v)));
  }
  return make_dict(std::move(dict));
}

Result<Value> Interpreter::evaluate_slice(const Expr& node) {
  const Value base = AGLM_TRY(evaluate(*node.children[0]));
  std::vector<Value> bounds(3, Value::none());
  for (size_t i = 0; i < 3; ++i) {
    if (node.children[i + 1] != nullptr) bounds[i] = AGLM_TRY(evaluate(*node.children[i + 1]));
  }
  return get_slice(base, bounds[0], bounds[1], bounds[2]);
}

Result<Arguments> Interpreter::evaluate_arguments(const CallArguments& call) {
  Arguments arguments;
  for (const ExprPtr& child : call.positional) {
    arguments.positional.push_back(AGLM_TRY(evaluate(*child)));
  }
  if (call.star != nullptr) {
    const Value extra = AGLM_TRY(evaluate(*call.star));
    for (Value& v : AGLM_TRY(collect(extra))) {
      arguments.positional.push_back(std::move(v));
    }
  }
  for (const auto& [name, child] : call.named) {
    arguments.named.emplace_back(name, AGLM_TRY(evaluate(*child)));
  }
  if (call.double_star != nullptr) {
    const Value extra = AGLM_TRY(evaluate(*call.double_star));
    if (!extra.is(Kind::kDict)) return template_error("argument after ** must be a mapping");
    for (const auto& [key, v] : extra.as<Dict>().entries) {
      if (!key.is_string()) return template_error("keywords must be strings");
      for (const auto& [name, other] : arguments.named) {
        if (name == key.text()) {
          return template_error(fmt::format("got multiple values for keyword argument '{}'", name));
        }
      }
      arguments.named.emplace_back(std::string(key.text()), v);
    }
    // Each keyword is compared with all before it.
    const auto n_named = static_cast<int64_t>(arguments.named.size());
    AGLM_TRY(check_count(n_named * n_named));
  }
  return arguments;
}

Result<Value> Interpreter::evaluate_call(const Expr& node, const Value* caller) {
  const Value callee = AGLM_TRY(evaluate(*node.children[0]));
  Arguments arguments = AGLM_TRY(evaluate_arguments(node.call));
  if (caller != nullptr) arguments.named.emplace_back("caller", *caller);
  return call(callee, std::move(arguments));
}

Result<Value> Interpreter::evaluate_filter(const Expr& node) {
  Value v;
  if (node.children[0] != nullptr) {
    v = AGLM_TRY(evaluate(*node.children[0]));
  } else if (filtered_) {
    v = *filtered_;
  }
  if (node.builtin == nullptr)
    return template_error(fmt::format("No filter named '{}'", node.name));
  return apply(node.builtin, v, AGLM_TRY(evaluate_arguments(node.call)));
}

Result<Value> Interpreter::evaluate_test(const Expr& node) {
  const Value v = AGLM_TRY(evaluate(*node.children[0]));
  if (node.builtin == nullptr) return template_error(fmt::format("No test named '{}'", node.name));
  return apply(node.builtin, v, AGLM_TRY(evaluate_arguments(node.call)));
}

Result<Value> Interpreter::evaluate_condition(const Expr& node) {
  if (truth(AGLM_TRY(evaluate(*node.children[0])))) return evaluate(*node.children[1]);
  if (node.children[2] != nullptr) return evaluate(*node.children[2]);
  return Value::undefined(fmt::format(
      "the inline if-expression on line {} evaluated to false and no else section was defined.",
      node.position.line));
}

Result<Value> Interpreter::evaluate_logic(const Expr& node) {
  Value left = AGLM_TRY(evaluate(*node.children[0]));
  if (truth(left) == (node.kind == ExprKind::kOr)) return left;
  return evaluate(*node.children[1]);
}

Result<Value> Interpreter::evaluate_sign(const Expr& node) {
  const Value v = AGLM_TRY(evaluate(*node.children[0]));
  if (v.is_undefined()) return template_error(v.undefined_message());
  const bool negate = node.kind == ExprKind::kNegate;
  if (v.is(Kind::kFloat)) return Value::real(negate ? -v.as_real() : v.as_real());
  if (v.is_integral()) {
    if (negate && v.as_int() == INT64_MIN)
      return template_error("integer does not fit into 64 bits");
    return Value::integer(negate ? -v.as_int() : v.as_int());
  }
  return template_error(
      fmt::format("bad operand type for unary {}: '{}'", negate ? '-' : '+', type_name(v)));
}

Result<Value> Interpreter::evaluate_binary(const Expr& node) {
  const Value left = AGLM_TRY(evaluate(*node.children[0]));
  return binary(node.name, left, AGLM_TRY(evaluate(*node.children[1])));
}

Result<Value> Interpreter::evaluate_concat(const Expr& node) {
  std::string text;
  for (const ExprPtr& child : node.children) {
    const Value v = AGLM_TRY(evaluate(*child));
    text += AGLM_TRY(to_text(v));
    AGLM_TRY(check_bytes(static_cast<int64_t>(text.size())));
  }
  return make_string(std::move(text));
}

Result<Value> Interpreter::evaluate_compare(const Expr& node) {
  Value left = AGLM_TRY(evaluate(*node.children[0]));
  for (size_t i = 0; i < node.names.size(); ++i) {
    Value right = AGLM_TRY(evaluate(*node.children[i + 1]));
    if (!AGLM_TRY(compare(node.names[i], left, right))) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Result<bool> Interpreter::compare(std::string_view op, const Value& a, const Value& b) {
  if (op == "==") return equals(a, b);
  if (op == "!=") return !AGLM_TRY(equals(a, b));
  if (op == "in") return contains(b, a);
  if (op == "not in") return !AGLM_TRY(contains(b, a));
  const int c = AGLM_TRY(ordered(a, b, op));
  if (c == 2) return false;  // NaN
  if (op == "<") return c < 0;
  if (op == "<=") return c <= 0;
  return op == ">" ? c > 0 : c >= 0;
}

}  // namespace autoglm::jinja
