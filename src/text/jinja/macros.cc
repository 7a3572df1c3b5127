// Calls: macros with defaults, keywords and callers, call blocks, and everything else callable.
#include <fmt/format.h>

#include "text/jinja/interpreter.h"

namespace autoglm::jinja {
namespace {

// Takes the keyword argument out; nothing when it was not given.
std::optional<Value> take(Arguments& arguments, std::string_view name) {
  for (size_t i = 0; i < arguments.named.size(); ++i) {
    if (arguments.named[i].first != name) continue;
    Value v = std::move(arguments.named[i].second);
    arguments.named.erase(arguments.named.begin() + static_cast<ptrdiff_t>(i));
    return v;
  }
  return std::nullopt;
}

Result<Value> call_joiner(Joiner& joiner) {
  if (joiner.used) return Value::string(joiner.separator);
  joiner.used = true;
  return Value::string("");
}

}  // namespace

Result<void> Interpreter::define_macro(const Statement& node) {
  auto macro = std::make_shared<Macro>();
  macro->definition = &node;
  macro->scope = scope_;
  AGLM_TRY(hold(scope_));
  return store(node.signature.name, Value::object(Kind::kMacro, std::move(macro)));
}

Result<void> Interpreter::run_call_block(const Statement& node) {
  auto macro = std::make_shared<Macro>();
  macro->definition = &node;
  macro->scope = scope_;
  AGLM_TRY(hold(scope_));
  const Value caller = Value::object(Kind::kMacro, std::move(macro));
  return write_string(AGLM_TRY(evaluate_call(*node.value, &caller)));
}

Result<Value> Interpreter::call(const Value& callee, Arguments arguments) {
  const Deeper deeper(*this);
  AGLM_TRY(deeper.check());
  AGLM_TRY(spend_call(callee.is(Kind::kFunction) ? callee.as<Function>().self : callee, arguments));
  switch (callee.kind()) {
    case Kind::kUndefined: return template_error(callee.undefined_message());
    case Kind::kMacro: return call_macro(callee.as<Macro>(), std::move(arguments));
    case Kind::kFunction: {
      const Function& function = callee.as<Function>();
      return function.builtin(*this, function.self, arguments);
    }
    case Kind::kJoiner:
      if (!arguments.positional.empty() || !arguments.named.empty()) {
        return template_error("a joiner takes no arguments");
      }
      return call_joiner(callee.as<Joiner>());
    case Kind::kLoop:
      if (arguments.positional.size() != 1 || !arguments.named.empty()) {
        return template_error("loop() takes exactly one argument");
      }
      return call_loop(callee.as<Loop>(), arguments.positional[0]);
    default: return template_error(fmt::format("'{}' object is not callable", type_name(callee)));
  }
}

// As jinja2's Macro.__call__: positional arguments first, then keywords fill what is left. An
// empty place means that the default, or undefined, stands in.
Result<void> Interpreter::bind_parameters(const Signature& signature, Arguments& arguments,
                                          std::vector<std::optional<Value>>& bound) {
  const size_t n_parameters = signature.parameters.size();
  bound.resize(n_parameters);
  // Each parameter that is not given by position is looked for among the keywords.
  AGLM_TRY(spend(static_cast<int64_t>(n_parameters * (1 + arguments.named.size())) * 16));
  const size_t n_given = std::min(arguments.positional.size(), n_parameters);
  for (size_t i = 0; i < n_given; ++i) bound[i] = arguments.positional[i];
  for (size_t i = n_given; i < n_parameters; ++i)
    bound[i] = take(arguments, signature.parameters[i]);
  if (signature.uses_caller && !signature.explicit_caller) {
    std::optional<Value> caller = take(arguments, "caller");
    if (!caller || caller->is_none()) caller = Value::undefined("No caller defined");
    AGLM_TRY(store("caller", *caller));
  }
  if (signature.uses_kwargs) {
    auto dict = std::make_shared<Dict>();
    for (auto& [name, v] : arguments.named) dict->set(name, std::move(v));
    Value kwargs = AGLM_TRY(make_dict(std::move(dict)));
    AGLM_TRY(store("kwargs", std::move(kwargs)));
  } else if (!arguments.named.empty()) {
    return template_error(fmt::format("macro '{}' takes no keyword argument '{}'", signature.name,
                                      arguments.named[0].first));
  }
  if (signature.uses_varargs) {
    std::vector<Value> rest(arguments.positional.begin() + static_cast<ptrdiff_t>(n_given),
                            arguments.positional.end());
    Value varargs = AGLM_TRY(make_tuple(std::move(rest)));
    AGLM_TRY(store("varargs", std::move(varargs)));
  } else if (arguments.positional.size() > n_parameters) {
    return template_error(
        fmt::format("macro '{}' takes not more than {} argument(s)", signature.name, n_parameters));
  }
  return {};
}

Result<Value> Interpreter::call_macro(const Macro& macro, Arguments arguments) {
  const Statement& node = *macro.definition;
  const Signature& signature = node.signature;
  struct Back {
    Interpreter* interpreter;
    ScopePtr scope;
    ~Back() { interpreter->scope_ = scope; }
  } const back{this, scope_};
  scope_ = std::make_shared<Scope>();
  scope_->outer = macro.scope;
  std::vector<std::optional<Value>> bound;
  AGLM_TRY(bind_parameters(signature, arguments, bound));
  // All parameters hide outer variables before the first default is computed.
  for (size_t i = 0; i < bound.size(); ++i) {
    const std::string& name = signature.parameters[i];
    AGLM_TRY(store(
        name, bound[i] ? *bound[i]
                       : Value::undefined(fmt::format("parameter '{}' was not provided", name))));
  }
  const size_t n_required = signature.parameters.size() - signature.defaults.size();
  for (size_t i = n_required; i < bound.size(); ++i) {
    if (bound[i]) continue;
    Value v = AGLM_TRY(evaluate(*signature.defaults[i - n_required]));
    AGLM_TRY(store(signature.parameters[i], std::move(v)));
  }
  Flow flow = Flow::kNormal;
  return make_string(AGLM_TRY(captured(node.body, scope_, flow)));
}

}  // namespace autoglm::jinja
