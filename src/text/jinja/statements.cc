// Running statements: output, assignment, branches, scopes, filter and set blocks.
#include <fmt/format.h>

#include "text/jinja/interpreter.h"

namespace autoglm::jinja {
namespace {

// Puts a member back when the scope is left, whichever way.
template <class T>
class Restored {
 public:
  Restored(T& place, T value) : place_(&place), before_(std::move(place)) {
    place = std::move(value);
  }
  ~Restored() { *place_ = std::move(before_); }
  Restored(const Restored&) = delete;
  Restored& operator=(const Restored&) = delete;

 private:
  T* place_;
  T before_;
};

}  // namespace

Result<Flow> Interpreter::run_body(const Body& body) {
  for (const auto& node : body) {
    Result<Flow> flow = run_statement(*node);
    if (!flow) return located(std::move(flow).error(), node->position);
    if (*flow != Flow::kNormal) return *flow;
  }
  return Flow::kNormal;
}

Result<Flow> Interpreter::run_statement(const Statement& node) {
  const Deeper deeper(*this);
  AGLM_TRY(deeper.check());
  AGLM_TRY(spend(0));
  switch (node.kind) {
    case StatementKind::kText: AGLM_TRY(write_text(node.text)); return Flow::kNormal;
    case StatementKind::kOutput:
      for (const ExprPtr& output : node.outputs) {
        const Value v = AGLM_TRY(evaluate(*output));
        AGLM_TRY(write(v));
      }
      return Flow::kNormal;
    case StatementKind::kSet: AGLM_TRY(run_set(node)); return Flow::kNormal;
    case StatementKind::kSetBlock: return run_set_block(node);
    case StatementKind::kIf: return run_if(node);
    case StatementKind::kFor: return run_for(node);
    case StatementKind::kMacro: AGLM_TRY(define_macro(node)); return Flow::kNormal;
    case StatementKind::kCallBlock: AGLM_TRY(run_call_block(node)); return Flow::kNormal;
    case StatementKind::kFilterBlock: return run_filter_block(node);
    case StatementKind::kWith: return run_with(node);
    case StatementKind::kScope: return run_in_scope(node.body, inner_scope());
    case StatementKind::kBlock: {
      // A block sees the template's variables, not those of the loop around it, unless scoped.
      ScopePtr scope = inner_scope();
      if (!node.scoped) scope->outer = root_;
      return run_in_scope(node.body, std::move(scope));
    }
    case StatementKind::kBreak: return Flow::kBreak;
    case StatementKind::kContinue: return Flow::kContinue;
    case StatementKind::kRefused:
      return template_error(
          fmt::format("'{}' is refused: a chat template stands alone", node.text));
  }
  return Flow::kNormal;
}

Result<void> Interpreter::write_text(std::string_view text) {
  AGLM_TRY(spend(static_cast<int64_t>(text.size())));
  AGLM_TRY(check_bytes(static_cast<int64_t>(out_->size() + text.size())));
  out_->append(text);
  return {};
}

Result<void> Interpreter::write(const Value& v) {
  if (v.is_string()) return write_text(v.text());
  return write_text(AGLM_TRY(to_text(v)));
}

// What jinja2 does not pass through str(): the results of filter and call blocks.
Result<void> Interpreter::write_string(const Value& v) {
  if (v.is_string()) return write_text(v.text());
  return template_error(fmt::format("the block's result must be a string, not {}", type_name(v)));
}

ScopePtr Interpreter::inner_scope() const {
  auto scope = std::make_shared<Scope>();
  scope->outer = scope_;
  return scope;
}

Result<Flow> Interpreter::run_in_scope(const Body& body, ScopePtr scope) {
  const Restored restored(scope_, std::move(scope));
  return run_body(body);
}

Result<std::string> Interpreter::captured(const Body& body, ScopePtr scope, Flow& flow) {
  std::string text;
  const Restored restored(out_, &text);
  flow = AGLM_TRY(run_in_scope(body, std::move(scope)));
  return text;
}

Result<void> Interpreter::store(std::string_view name, Value v) {
  AGLM_TRY(spend(static_cast<int64_t>(scope_->variables.size() * 16 + name.size())));
  for (auto& [known, value] : scope_->variables) {
    if (known == name) {
      value = std::move(v);
      return {};
    }
  }
  scope_->variables.emplace_back(name, std::move(v));
  return {};
}

Result<void> Interpreter::assign(const Expr& target, const Value& v) {
  if (target.kind == ExprKind::kName) return store(target.name, v);
  if (target.kind == ExprKind::kNamespaceField) {
    Expr name;
    name.kind = ExprKind::kName;
    name.name = target.name;
    const Value fields = AGLM_TRY(evaluate_name(name));
    if (!fields.is(Kind::kNamespace)) {
      return template_error("cannot assign attribute on non-namespace object");
    }
    if (target.field.starts_with('_')) {
      return template_error(fmt::format(
          "Chat templates cannot store underscore-prefixed attributes on a namespace, but got '{}'",
          target.field));
    }
    Dict& dict = fields.as<Namespace>().fields;
    AGLM_TRY(spend(static_cast<int64_t>(dict.entries.size())));
    // A namespace does not count as nesting, and what it held no longer weighs.
    dict.weight = 1;
    dict.set(target.field, v);
    return {};
  }
  Cursor cursor = AGLM_TRY(Cursor::over(v));
  std::vector<Value> items;
  Value item;
  while (items.size() <= target.children.size() && AGLM_TRY(cursor.next(*this, item))) {
    items.push_back(std::move(item));
  }
  if (items.size() != target.children.size()) {
    const bool more = items.size() > target.children.size();
    return template_error(fmt::format("{} values to unpack (expected {})",
                                      more ? "too many" : "not enough", target.children.size()));
  }
  for (size_t i = 0; i < items.size(); ++i) AGLM_TRY(assign(*target.children[i], items[i]));
  return {};
}

Result<void> Interpreter::run_set(const Statement& node) {
  return assign(*node.target, AGLM_TRY(evaluate(*node.value)));
}

Result<Flow> Interpreter::run_set_block(const Statement& node) {
  Flow flow = Flow::kNormal;
  const ScopePtr scope = inner_scope();
  std::string text = AGLM_TRY(captured(node.body, scope, flow));
  if (flow != Flow::kNormal) return flow;
  Value v = AGLM_TRY(make_string(std::move(text)));
  if (node.value != nullptr) {
    const Restored restored_text(filtered_, std::optional<Value>(v));
    const Restored restored_scope(scope_, scope);
    v = AGLM_TRY(evaluate(*node.value));
  }
  AGLM_TRY(assign(*node.target, v));
  return Flow::kNormal;
}

Result<Flow> Interpreter::run_filter_block(const Statement& node) {
  Flow flow = Flow::kNormal;
  const ScopePtr scope = inner_scope();
  std::string text = AGLM_TRY(captured(node.body, scope, flow));
  if (flow != Flow::kNormal) return flow;
  Value v = AGLM_TRY(make_string(std::move(text)));
  {
    const Restored restored_text(filtered_, std::optional<Value>(std::move(v)));
    const Restored restored_scope(scope_, scope);
    v = AGLM_TRY(evaluate(*node.value));
  }
  AGLM_TRY(write_string(v));
  return Flow::kNormal;
}

Result<Flow> Interpreter::run_if(const Statement& node) {
  for (const Branch& branch : node.branches) {
    if (truth(AGLM_TRY(evaluate(*branch.test)))) return run_body(branch.body);
  }
  return run_body(node.otherwise);
}

Result<Flow> Interpreter::run_with(const Statement& node) {
  // The values are evaluated outside of the new scope.
  ScopePtr scope = inner_scope();
  for (size_t i = 0; i < node.targets.size(); ++i) {
    const Value v = AGLM_TRY(evaluate(*node.outputs[i]));
    const Restored restored(scope_, scope);
    AGLM_TRY(assign(*node.targets[i], v));
  }
  return run_in_scope(node.body, std::move(scope));
}

}  // namespace autoglm::jinja
