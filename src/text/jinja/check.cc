// One walk over the tree. jinja2 forgives unknown filters inside an `if` until they are reached
// (a "soft" place), so that a template may ask `is filter` first; so do we.
#include "text/jinja/check.h"

#include <fmt/format.h>

#include <functional>
#include <set>

#include "text/jinja/builtins.h"

namespace autoglm::jinja {
namespace {

// Calls `see(name, stored)` for every variable of a tree, in jinja2's order.
class Names {
 public:
  using See = std::function<void(const std::string& name, bool stored)>;
  explicit Names(See see) : see_(std::move(see)) {}

  void body(const Body& statements) const {
    for (const auto& node : statements) statement(*node);
  }

 private:
  void expression(const ExprPtr& node, bool stored = false) const {
    if (node == nullptr) return;
    if (node->kind == ExprKind::kName) see_(node->name, stored);
    for (const ExprPtr& child : node->children) expression(child, stored);
    for (const ExprPtr& child : node->call.positional) expression(child);
    for (const auto& [name, child] : node->call.named) expression(child);
    expression(node->call.star);
    expression(node->call.double_star);
  }

  void statement(const Statement& node) const {
    if (node.kind == StatementKind::kBlock) return;
    expression(node.target, true);
    expression(node.value);
    for (const ExprPtr& target : node.targets) expression(target, true);
    for (const ExprPtr& output : node.outputs) expression(output);
    for (const std::string& parameter : node.signature.parameters) see_(parameter, true);
    for (const ExprPtr& value : node.signature.defaults) expression(value);
    for (const Branch& branch : node.branches) {
      expression(branch.test);
      body(branch.body);
    }
    body(node.body);
    body(node.otherwise);
    expression(node.test);
  }

  See see_;
};

// Whether the body loads `name` before it stores it.
bool loads(const Body& body, std::string_view name) {
  bool stored_before = false;
  bool loaded = false;
  Names([&](const std::string& seen, bool stored) {
    if (seen != name) return;
    if (stored) stored_before = true;
    if (!stored && !stored_before) loaded = true;
  }).body(body);
  return loaded;
}

struct Place {
  bool soft = false;     // unknown filters are an error only when reached
  bool in_loop = false;  // break and continue have a loop to leave
};

class Checker {
 public:
  explicit Checker(std::string_view where) : where_(where) {}

  Result<void> body(Body& statements, Place place) {
    for (auto& node : statements) AGLM_TRY(statement(*node, place));
    return {};
  }

 private:
  Result<void> expression(const ExprPtr& node, bool soft) {
    if (node == nullptr) return {};
    if (node->kind == ExprKind::kFilter || node->kind == ExprKind::kTest) {
      const bool filter = node->kind == ExprKind::kFilter;
      node->builtin = filter ? find_filter(node->name) : find_test(node->name);
      if (node->builtin == nullptr && !soft) {
        return syntax_error(
            where_, node->position,
            fmt::format("No {} named '{}'", filter ? "filter" : "test", node->name));
      }
    }
    const bool inner = soft || node->kind == ExprKind::kCondition;
    for (const ExprPtr& child : node->children) AGLM_TRY(expression(child, inner));
    for (const ExprPtr& child : node->call.positional) AGLM_TRY(expression(child, inner));
    for (const auto& [name, child] : node->call.named) AGLM_TRY(expression(child, inner));
    AGLM_TRY(expression(node->call.star, inner));
    return expression(node->call.double_star, inner);
  }

  Result<void> signature(Statement& node) {
    Signature& s = node.signature;
    s.explicit_caller =
        std::find(s.parameters.begin(), s.parameters.end(), "caller") != s.parameters.end();
    s.uses_caller = loads(node.body, "caller");
    const auto declared = [&](std::string_view name) {
      return std::find(s.parameters.begin(), s.parameters.end(), name) != s.parameters.end();
    };
    s.uses_kwargs = !declared("kwargs") && loads(node.body, "kwargs");
    s.uses_varargs = !declared("varargs") && loads(node.body, "varargs");
    if (s.uses_caller && s.explicit_caller) {
      const size_t n_required = s.parameters.size() - s.defaults.size();
      for (size_t i = 0; i < n_required; ++i) {
        if (s.parameters[i] == "caller") {
          return syntax_error(
              where_, node.position,
              "the special \"caller\" argument must be omitted or be given a default");
        }
      }
    }
    for (const ExprPtr& value : s.defaults) AGLM_TRY(expression(value, false));
    return body(node.body, {});
  }

  Result<void> loop(Statement& node, Place place) {
    AGLM_TRY(expression(node.value, place.soft));
    AGLM_TRY(expression(node.test, false));
    bool assigned = false;
    const Names names(
        [&](const std::string& name, bool stored) { assigned |= stored && name == "loop"; });
    names.body(node.body);
    names.body(node.otherwise);
    if (assigned || (node.target->kind == ExprKind::kName && node.target->name == "loop")) {
      return syntax_error(where_, node.position,
                          "Can't assign to special loop variable in for-loop");
    }
    node.uses_loop = node.recursive || loads(node.body, "loop");
    AGLM_TRY(body(node.body, {.in_loop = true}));
    return body(node.otherwise, {.in_loop = place.in_loop && !node.recursive});
  }

  Result<void> statement(Statement& node, Place place) {
    switch (node.kind) {
      case StatementKind::kText:
      case StatementKind::kRefused: return {};
      case StatementKind::kBreak:
      case StatementKind::kContinue:
        if (place.in_loop) return {};
        return syntax_error(where_, node.position, "break or continue outside of a loop");
      case StatementKind::kFor: return loop(node, place);
      case StatementKind::kMacro: return signature(node);
      case StatementKind::kCallBlock:
        AGLM_TRY(expression(node.value, place.soft));
        return signature(node);
      case StatementKind::kBlock:
        if (!blocks_.insert(node.text).second) {
          return syntax_error(where_, node.position,
                              fmt::format("block '{}' defined twice", node.text));
        }
        return body(node.body, {});
      case StatementKind::kIf:
        for (Branch& branch : node.branches) {
          AGLM_TRY(expression(branch.test, true));
          AGLM_TRY(body(branch.body, {.soft = true, .in_loop = place.in_loop}));
        }
        return body(node.otherwise, {.soft = true, .in_loop = place.in_loop});
      case StatementKind::kScope:
        // `generation` is compiled like a call block: a function of its own.
        return body(node.body, {});
      default: break;
    }
    AGLM_TRY(expression(node.value, place.soft && node.kind == StatementKind::kSet));
    for (const ExprPtr& output : node.outputs) AGLM_TRY(expression(output, place.soft));
    return body(node.body, {.in_loop = place.in_loop});
  }

  std::string_view where_;
  std::set<std::string> blocks_;
};

}  // namespace

Result<void> check_template(Template& parsed) {
  return Checker(parsed.where).body(parsed.body, {});
}

}  // namespace autoglm::jinja
