// Follows `content` through the template: message.content and message["content"], variables set to
// one of these, macro parameters that are given one; then looks for a loop over any of them. vLLM
// detects its "openai" content format in this way, macros apart.
#include "text/jinja/content_format.h"

#include <functional>
#include <map>
#include <set>

namespace autoglm::jinja {
namespace {

class ContentSearch {
 public:
  explicit ContentSearch(const Template& parsed) : template_(parsed) {}

  bool run() {
    // Aliases may be made after the macros that use them: repeat until nothing new is learned. Real
    // templates need two or three rounds; a chain of names written backwards could ask for
    // millions.
    constexpr int kMaxRounds = 16;
    size_t known = names_.size() + 1;
    for (int round = 0; round < kMaxRounds && known != names_.size() && !found_; ++round) {
      known = names_.size();
      body(template_.body);
    }
    return found_;
  }

 private:
  // The content itself, however it is reached: through filters, defaults or conditions.
  bool is_content(const ExprPtr& node) const {
    if (node == nullptr) return false;
    switch (node->kind) {
      case ExprKind::kName: return names_.contains(node->name);
      case ExprKind::kAttribute: return node->name == "content";
      case ExprKind::kItem: {
        const Expr& index = *node->children[1];
        return index.kind == ExprKind::kConst && index.constant.is_string() &&
               index.constant.text() == "content";
      }
      case ExprKind::kCall: {  // message.get("content")
        const Expr& callee = *node->children[0];
        if (callee.kind != ExprKind::kAttribute || callee.name != "get") return false;
        if (node->call.positional.empty()) return false;
        const Expr& key = *node->call.positional[0];
        return key.kind == ExprKind::kConst && key.constant.is_string() &&
               key.constant.text() == "content";
      }
      case ExprKind::kFilter:
        // Text filters and lengths give something else than the parts.
        if (node->name != "list" && node->name != "default" && node->name != "d" &&
            node->name != "selectattr" && node->name != "rejectattr" && node->name != "select" &&
            node->name != "reject" && node->name != "map" && node->name != "reverse") {
          return false;
        }
        return is_content(node->children[0]);
      case ExprKind::kCondition:
        return is_content(node->children[1]) || is_content(node->children[2]);
      case ExprKind::kOr:
      case ExprKind::kAnd: return is_content(node->children[0]) || is_content(node->children[1]);
      default: return false;
    }
  }

  void calls(const ExprPtr& node) {
    if (node == nullptr) return;
    if (node->kind == ExprKind::kCall && node->children[0]->kind == ExprKind::kName) {
      const auto macro = macros_.find(node->children[0]->name);
      if (macro != macros_.end()) {
        const auto& parameters = macro->second->parameters;
        for (size_t i = 0; i < node->call.positional.size() && i < parameters.size(); ++i) {
          if (is_content(node->call.positional[i])) names_.insert(parameters[i]);
        }
        for (const auto& [name, v] : node->call.named) {
          if (is_content(v)) names_.insert(name);
        }
      }
    }
    for (const ExprPtr& child : node->children) calls(child);
    for (const ExprPtr& child : node->call.positional) calls(child);
    for (const auto& [name, child] : node->call.named) calls(child);
  }

  void body(const Body& statements) {
    for (const auto& node : statements) statement(*node);
  }

  void statement(const Statement& node) {
    if (node.kind == StatementKind::kMacro) macros_[node.signature.name] = &node.signature;
    if (node.kind == StatementKind::kSet && node.target->kind == ExprKind::kName &&
        is_content(node.value)) {
      names_.insert(node.target->name);
    }
    if (node.kind == StatementKind::kFor && is_content(node.value)) found_ = true;
    calls(node.value);
    calls(node.test);
    for (const ExprPtr& output : node.outputs) calls(output);
    for (const Branch& branch : node.branches) {
      calls(branch.test);
      body(branch.body);
    }
    body(node.body);
    body(node.otherwise);
  }

  const Template& template_;
  std::set<std::string, std::less<>> names_;
  std::map<std::string, const Signature*, std::less<>> macros_;
  bool found_ = false;
};

}  // namespace

bool iterates_content(const Template& parsed) { return ContentSearch(parsed).run(); }

}  // namespace autoglm::jinja
