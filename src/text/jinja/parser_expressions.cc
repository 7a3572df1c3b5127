// Expressions by precedence, lowest first: inline if, or, and, not, comparisons, + -, ~, * / // %,
// **, unary, then postfix (attributes, items, calls) and filters and tests. The order is jinja2's,
// which differs from Python's in ~ and in ** (left associative).
#include <fmt/format.h>

#include "text/jinja/parser.h"

namespace autoglm::jinja {

ExprPtr Parser::make(ExprKind kind, Position position) const {
  auto node = std::make_unique<Expr>();
  node->kind = kind;
  node->position = position;
  return node;
}

Result<ExprPtr> Parser::finish(ExprPtr node) const {
  int height = 0;
  const auto see = [&](const ExprPtr& child) {
    if (child != nullptr) height = std::max(height, child->height);
  };
  for (const ExprPtr& child : node->children) see(child);
  for (const ExprPtr& child : node->call.positional) see(child);
  for (const auto& [name, child] : node->call.named) see(child);
  see(node->call.star);
  see(node->call.double_star);
  node->height = height + 1;
  if (node->height > kMaxHeight) {
    return fail_at(node->position,
                   fmt::format("expression chains more than {} operations", kMaxHeight));
  }
  return node;
}

Result<ExprPtr> Parser::binary(ExprKind kind, std::string op, Position position, ExprPtr left,
                               ExprPtr right) const {
  ExprPtr node = make(kind, position);
  node->name = std::move(op);
  node->children.push_back(std::move(left));
  node->children.push_back(std::move(right));
  return finish(std::move(node));
}

Result<ExprPtr> Parser::expression(bool with_condition) {
  const Nested nested(nesting_);
  if (nesting_ > kMaxNesting) return fail(fmt::format("nested more than {} deep", kMaxNesting));
  return with_condition ? parse_condition() : parse_or();
}

Result<ExprPtr> Parser::parse_condition() {
  Position position = current().position;
  ExprPtr then = AGLM_TRY(parse_or());
  while (skip_name("if")) {
    ExprPtr node = make(ExprKind::kCondition, position);
    node->children.push_back(AGLM_TRY(parse_or()));
    node->children.push_back(std::move(then));
    node->children.push_back(nullptr);
    if (skip_name("else")) node->children[2] = AGLM_TRY(expression());
    then = AGLM_TRY(finish(std::move(node)));
    position = current().position;
  }
  return then;
}

Result<ExprPtr> Parser::parse_or() {
  const Position position = current().position;
  ExprPtr left = AGLM_TRY(parse_and());
  while (skip_name("or")) {
    ExprPtr right = AGLM_TRY(parse_and());
    left = AGLM_TRY(binary(ExprKind::kOr, "or", position, std::move(left), std::move(right)));
  }
  return left;
}

Result<ExprPtr> Parser::parse_and() {
  const Position position = current().position;
  ExprPtr left = AGLM_TRY(parse_not());
  while (skip_name("and")) {
    ExprPtr right = AGLM_TRY(parse_not());
    left = AGLM_TRY(binary(ExprKind::kAnd, "and", position, std::move(left), std::move(right)));
  }
  return left;
}

Result<ExprPtr> Parser::parse_not() {
  if (!is_name("not")) return parse_compare();
  const Nested nested(nesting_);
  if (nesting_ > kMaxNesting) return fail(fmt::format("nested more than {} deep", kMaxNesting));
  ExprPtr node = make(ExprKind::kNot, current().position);
  skip();
  node->children.push_back(AGLM_TRY(parse_not()));
  return finish(std::move(node));
}

Result<ExprPtr> Parser::parse_compare() {
  const Position position = current().position;
  ExprPtr first = AGLM_TRY(parse_sum());
  ExprPtr node = make(ExprKind::kCompare, position);
  for (;;) {
    std::string op;
    for (const std::string_view candidate : {"==", "!=", "<", "<=", ">", ">="}) {
      if (is_operator(candidate)) op = candidate;
    }
    if (!op.empty()) {
      skip();
    } else if (skip_name("in")) {
      op = "in";
    } else if (is_name("not") && look().kind == TokenKind::kName && look().text == "in") {
      skip(2);
      op = "not in";
    } else {
      break;
    }
    if (node->children.empty()) node->children.push_back(std::move(first));
    node->names.push_back(std::move(op));
    node->children.push_back(AGLM_TRY(parse_sum()));
  }
  if (node->children.empty()) return first;
  return finish(std::move(node));
}

Result<ExprPtr> Parser::parse_sum() {
  ExprPtr left = AGLM_TRY(parse_concat());
  while (is_operator("+") || is_operator("-")) {
    const Position position = current().position;
    std::string op = current().text;
    skip();
    ExprPtr right = AGLM_TRY(parse_concat());
    left = AGLM_TRY(
        binary(ExprKind::kBinary, std::move(op), position, std::move(left), std::move(right)));
  }
  return left;
}

Result<ExprPtr> Parser::parse_concat() {
  const Position position = current().position;
  ExprPtr first = AGLM_TRY(parse_product());
  if (!is_operator("~")) return first;
  ExprPtr node = make(ExprKind::kConcat, position);
  node->children.push_back(std::move(first));
  while (skip_operator("~")) node->children.push_back(AGLM_TRY(parse_product()));
  return finish(std::move(node));
}

Result<ExprPtr> Parser::parse_product() {
  ExprPtr left = AGLM_TRY(parse_power());
  while (is_operator("*") || is_operator("/") || is_operator("//") || is_operator("%")) {
    const Position position = current().position;
    std::string op = current().text;
    skip();
    ExprPtr right = AGLM_TRY(parse_power());
    left = AGLM_TRY(
        binary(ExprKind::kBinary, std::move(op), position, std::move(left), std::move(right)));
  }
  return left;
}

Result<ExprPtr> Parser::parse_power() {
  ExprPtr left = AGLM_TRY(parse_unary(true));
  while (is_operator("**")) {
    const Position position = current().position;
    skip();
    ExprPtr right = AGLM_TRY(parse_unary(true));
    left = AGLM_TRY(binary(ExprKind::kBinary, "**", position, std::move(left), std::move(right)));
  }
  return left;
}

Result<ExprPtr> Parser::parse_unary(bool with_filter) {
  const Nested nested(nesting_);
  if (nesting_ > kMaxNesting) return fail(fmt::format("nested more than {} deep", kMaxNesting));
  ExprPtr node;
  if (is_operator("-") || is_operator("+")) {
    ExprPtr sign =
        make(is_operator("-") ? ExprKind::kNegate : ExprKind::kPositive, current().position);
    skip();
    sign->children.push_back(AGLM_TRY(parse_unary(false)));
    node = AGLM_TRY(finish(std::move(sign)));
  } else {
    node = AGLM_TRY(parse_primary());
  }
  node = AGLM_TRY(parse_postfix(std::move(node)));
  if (with_filter) node = AGLM_TRY(parse_filter_expression(std::move(node)));
  return node;
}

Result<ExprPtr> Parser::parse_string() {
  ExprPtr node = make(ExprKind::kConst, current().position);
  std::string text;
  while (is(TokenKind::kString)) {
    text += current().text;
    skip();
  }
  node->constant = Value::string(std::move(text));
  return node;
}

Result<ExprPtr> Parser::parse_primary(bool with_namespace) {
  const Token& token = current();
  ExprPtr node = make(ExprKind::kConst, token.position);
  switch (token.kind) {
    case TokenKind::kName: {
      skip();
      const std::string& name = token.text;
      if (name == "true" || name == "True") {
        node->constant = Value::boolean(true);
      } else if (name == "false" || name == "False") {
        node->constant = Value::boolean(false);
      } else if (name == "none" || name == "None") {
        node->constant = Value::none();
      } else if (with_namespace && skip_operator(".")) {
        node->kind = ExprKind::kNamespaceField;
        node->name = name;
        node->field = AGLM_TRY(identifier());
      } else {
        node->kind = ExprKind::kName;
        node->name = name;
      }
      return node;
    }
    case TokenKind::kString: return parse_string();
    case TokenKind::kInteger:
      node->constant = Value::integer(token.integer);
      skip();
      return node;
    case TokenKind::kFloat:
      node->constant = Value::real(token.real);
      skip();
      return node;
    default: break;
  }
  if (skip_operator("(")) {
    ExprPtr inner = AGLM_TRY(parse_tuple({.parentheses = true}));
    AGLM_TRY(expect_operator(")"));
    return inner;
  }
  if (is_operator("[")) return parse_list();
  if (is_operator("{")) return parse_dict();
  return unexpected("an expression");
}

bool Parser::is_tuple_end(std::string_view end_name) const {
  return is(TokenKind::kVariableEnd) || is(TokenKind::kBlockEnd) || is_operator(")") ||
         (!end_name.empty() && is_name(end_name));
}

Result<ExprPtr> Parser::parse_tuple(TupleOptions options) {
  ExprPtr node = make(ExprKind::kTuple, current().position);
  bool is_tuple = false;
  for (;;) {
    if (!node->children.empty()) AGLM_TRY(expect_operator(","));
    if (is_tuple_end(options.end_name)) break;
    node->children.push_back(options.simplified ? AGLM_TRY(parse_primary(options.with_namespace))
                                                : AGLM_TRY(expression(options.with_condition)));
    if (!is_operator(",")) break;
    is_tuple = true;
  }
  if (!is_tuple) {
    if (!node->children.empty()) return std::move(node->children[0]);
    if (!options.parentheses) return unexpected("an expression");
  }
  return finish(std::move(node));
}

Result<ExprPtr> Parser::parse_list() {
  ExprPtr node = make(ExprKind::kList, current().position);
  AGLM_TRY(expect_operator("["));
  while (!is_operator("]")) {
    if (!node->children.empty()) AGLM_TRY(expect_operator(","));
    if (is_operator("]")) break;
    node->children.push_back(AGLM_TRY(expression()));
  }
  AGLM_TRY(expect_operator("]"));
  return finish(std::move(node));
}

Result<ExprPtr> Parser::parse_dict() {
  ExprPtr node = make(ExprKind::kDict, current().position);
  AGLM_TRY(expect_operator("{"));
  while (!is_operator("}")) {
    if (!node->children.empty()) AGLM_TRY(expect_operator(","));
    if (is_operator("}")) break;
    node->children.push_back(AGLM_TRY(expression()));
    AGLM_TRY(expect_operator(":"));
    node->children.push_back(AGLM_TRY(expression()));
  }
  AGLM_TRY(expect_operator("}"));
  return finish(std::move(node));
}

Result<ExprPtr> Parser::parse_postfix(ExprPtr base) {
  for (;;) {
    if (is_operator(".") || is_operator("[")) {
      base = AGLM_TRY(parse_subscript(std::move(base)));
    } else if (is_operator("(")) {
      base = AGLM_TRY(parse_call(std::move(base)));
    } else {
      return base;
    }
  }
}

Result<ExprPtr> Parser::parse_filter_expression(ExprPtr base) {
  for (;;) {
    if (is_operator("|")) {
      base = AGLM_TRY(parse_filters(std::move(base), false));
    } else if (is_name("is")) {
      base = AGLM_TRY(parse_test(std::move(base)));
    } else if (is_operator("(")) {
      base = AGLM_TRY(parse_call(std::move(base)));
    } else {
      return base;
    }
  }
}

Result<ExprPtr> Parser::parse_subscript(ExprPtr base) {
  const Position position = current().position;
  if (skip_operator(".")) {
    const Token& token = current();
    ExprPtr node = make(ExprKind::kAttribute, position);
    node->children.push_back(std::move(base));
    if (token.kind == TokenKind::kName) {
      node->name = token.text;
    } else if (token.kind == TokenKind::kInteger) {
      node->kind = ExprKind::kItem;
      ExprPtr index = make(ExprKind::kConst, token.position);
      index->constant = Value::integer(token.integer);
      node->children.push_back(std::move(index));
    } else {
      return unexpected("a name or number");
    }
    skip();
    return finish(std::move(node));
  }
  AGLM_TRY(expect_operator("["));
  std::vector<ExprPtr> arguments;
  while (!is_operator("]")) {
    if (!arguments.empty()) AGLM_TRY(expect_operator(","));
    arguments.push_back(AGLM_TRY(parse_subscribed()));
  }
  AGLM_TRY(expect_operator("]"));
  if (arguments.size() == 1 && arguments[0]->kind == ExprKind::kSlice) {
    arguments[0]->children[0] = std::move(base);
    return finish(std::move(arguments[0]));
  }
  ExprPtr index;
  if (arguments.size() == 1) {
    index = std::move(arguments[0]);
  } else {
    index = make(ExprKind::kTuple, position);
    for (ExprPtr& argument : arguments) {
      if (argument->kind == ExprKind::kSlice) {
        return fail_at(argument->position, "a slice cannot be one of several subscripts");
      }
      index->children.push_back(std::move(argument));
    }
    index = AGLM_TRY(finish(std::move(index)));
  }
  return binary(ExprKind::kItem, {}, position, std::move(base), std::move(index));
}

Result<ExprPtr> Parser::parse_subscribed() {
  const Position position = current().position;
  ExprPtr start;
  if (!is_operator(":")) {
    start = AGLM_TRY(expression());
    if (!is_operator(":")) return start;
  }
  skip();
  ExprPtr node = make(ExprKind::kSlice, position);
  node->children.resize(4);
  node->children[1] = std::move(start);
  const auto ends = [&] { return is_operator("]") || is_operator(",") || is_operator(":"); };
  if (!ends()) node->children[2] = AGLM_TRY(expression());
  if (skip_operator(":") && !ends()) node->children[3] = AGLM_TRY(expression());
  return finish(std::move(node));
}

Result<ExprPtr> Parser::parse_filters(ExprPtr base, bool start_inline) {
  while (start_inline || is_operator("|")) {
    if (!start_inline) skip();
    start_inline = false;
    ExprPtr node = make(ExprKind::kFilter, current().position);
    node->name = AGLM_TRY(identifier());
    while (skip_operator(".")) node->name += "." + AGLM_TRY(identifier());
    if (is_operator("(")) AGLM_TRY(parse_call_arguments(node->call));
    node->children.push_back(std::move(base));
    base = AGLM_TRY(finish(std::move(node)));
  }
  return base;
}

Result<ExprPtr> Parser::parse_test(ExprPtr base) {
  ExprPtr node = make(ExprKind::kTest, current().position);
  skip();
  const bool negated = skip_name("not");
  node->name = AGLM_TRY(identifier());
  while (skip_operator(".")) node->name += "." + AGLM_TRY(identifier());
  if (is_operator("(")) {
    AGLM_TRY(parse_call_arguments(node->call));
  } else {
    const TokenKind kind = current().kind;
    const bool argument = kind == TokenKind::kName || kind == TokenKind::kString ||
                          kind == TokenKind::kInteger || kind == TokenKind::kFloat ||
                          is_operator("[") || is_operator("{");
    if (argument && !is_any_name({"else", "or", "and"})) {
      if (is_name("is")) return fail("You cannot chain multiple tests with is");
      ExprPtr value = AGLM_TRY(parse_primary());
      node->call.positional.push_back(AGLM_TRY(parse_postfix(std::move(value))));
    }
  }
  node->children.push_back(std::move(base));
  const Position position = node->position;
  base = AGLM_TRY(finish(std::move(node)));
  if (!negated) return base;
  ExprPtr negation = make(ExprKind::kNot, position);
  negation->children.push_back(std::move(base));
  return finish(std::move(negation));
}

Result<ExprPtr> Parser::parse_call(ExprPtr callee) {
  ExprPtr node = make(ExprKind::kCall, current().position);
  node->children.push_back(std::move(callee));
  AGLM_TRY(parse_call_arguments(node->call));
  return finish(std::move(node));
}

Result<void> Parser::parse_call_arguments(CallArguments& call) {
  const Nested nested(nesting_);
  const Position position = current().position;
  const auto invalid = [&] {
    return fail_at(position, "invalid syntax for function call expression");
  };
  AGLM_TRY(expect_operator("("));
  bool comma = false;
  while (!is_operator(")")) {
    if (comma) {
      AGLM_TRY(expect_operator(","));
      if (is_operator(")")) break;
    }
    comma = true;
    if (skip_operator("*")) {
      if (call.star != nullptr || call.double_star != nullptr) return invalid();
      call.star = AGLM_TRY(expression());
    } else if (skip_operator("**")) {
      if (call.double_star != nullptr) return invalid();
      call.double_star = AGLM_TRY(expression());
    } else if (is(TokenKind::kName) && look().kind == TokenKind::kOperator && look().text == "=") {
      if (call.double_star != nullptr) return invalid();
      std::string name = current().text;
      skip(2);
      for (const auto& [other, value] : call.named) {
        if (other == name)
          return fail_at(position, fmt::format("keyword argument repeated: {}", name));
      }
      call.named.emplace_back(std::move(name), AGLM_TRY(expression()));
    } else {
      if (call.star != nullptr || call.double_star != nullptr || !call.named.empty()) {
        return invalid();
      }
      call.positional.push_back(AGLM_TRY(expression()));
    }
  }
  return expect_operator(")");
}

}  // namespace autoglm::jinja
