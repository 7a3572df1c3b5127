// Tags, bodies and the tokens under them. A body ends at one of the names its tag waits for.
#include <fmt/format.h>

#include "base/utf8.h"
#include "text/jinja/check.h"
#include "text/jinja/parser.h"

namespace autoglm::jinja {

void Parser::skip(int count) {
  at_ = std::min(at_ + static_cast<size_t>(count), tokens_.size() - 1);
}

bool Parser::is_operator(std::string_view op) const {
  return is(TokenKind::kOperator) && current().text == op;
}

bool Parser::is_name(std::string_view name) const {
  return is(TokenKind::kName) && current().text == name;
}

bool Parser::is_any_name(Names names) const {
  for (const std::string_view name : names) {
    if (is_name(name)) return true;
  }
  return false;
}

bool Parser::skip_operator(std::string_view op) {
  if (!is_operator(op)) return false;
  skip();
  return true;
}

bool Parser::skip_name(std::string_view name) {
  if (!is_name(name)) return false;
  skip();
  return true;
}

Result<void> Parser::expect(TokenKind kind, std::string_view what) {
  if (!is(kind)) return unexpected(what);
  skip();
  return {};
}

Result<void> Parser::expect_operator(std::string_view op) {
  if (!skip_operator(op)) return unexpected(fmt::format("'{}'", op));
  return {};
}

Result<void> Parser::expect_name(std::string_view name) {
  if (!skip_name(name)) return unexpected(fmt::format("'{}'", name));
  return {};
}

Result<std::string> Parser::identifier() {
  if (!is(TokenKind::kName)) return unexpected("a name");
  std::string name = current().text;
  skip();
  return name;
}

Error Parser::fail_at(Position position, std::string what) const {
  return syntax_error(where_, position, std::move(what));
}

Error Parser::fail(std::string what) const { return fail_at(current().position, std::move(what)); }

Error Parser::unexpected(std::string_view expected) const {
  std::string found;
  switch (current().kind) {
    case TokenKind::kData: found = "template text"; break;
    case TokenKind::kBlockBegin: found = "'{%'"; break;
    case TokenKind::kBlockEnd: found = "'%}'"; break;
    case TokenKind::kVariableBegin: found = "'{{'"; break;
    case TokenKind::kVariableEnd: found = "'}}'"; break;
    case TokenKind::kString: found = "a string"; break;
    case TokenKind::kEnd: found = "the end of the template"; break;
    default: found = fmt::format("'{}'", utf8_prefix(current().text, 40));
  }
  Error error = fail("template is malformed");
  error.expected = expected;
  error.found = std::move(found);
  return error;
}

std::unique_ptr<Statement> Parser::make_statement(StatementKind kind) const {
  auto statement = std::make_unique<Statement>();
  statement->kind = kind;
  statement->position = current().position;
  return statement;
}

Result<Body> Parser::parse() {
  Body body = AGLM_TRY(subparse({}));
  if (!is(TokenKind::kEnd)) return unexpected("the end of the template");
  return body;
}

Result<Body> Parser::subparse(Names ends) {
  const Nested nested(nesting_);
  if (nesting_ > kMaxNesting) return fail(fmt::format("nested more than {} deep", kMaxNesting));
  Body body;
  while (!is(TokenKind::kEnd)) {
    if (is(TokenKind::kData)) {
      auto text = make_statement(StatementKind::kText);
      text->text = current().text;
      skip();
      body.push_back(std::move(text));
    } else if (is(TokenKind::kVariableBegin)) {
      auto output = make_statement(StatementKind::kOutput);
      skip();
      output->outputs.push_back(AGLM_TRY(parse_tuple({})));
      AGLM_TRY(expect(TokenKind::kVariableEnd, "'}}'"));
      body.push_back(std::move(output));
    } else {
      AGLM_TRY(expect(TokenKind::kBlockBegin, "'{%'"));
      if (is_any_name(ends)) return body;
      body.push_back(AGLM_TRY(statement()));
      AGLM_TRY(expect(TokenKind::kBlockEnd, "'%}'"));
    }
  }
  return body;
}

Result<Body> Parser::statements(Names ends, bool drop_end) {
  skip_operator(":");
  AGLM_TRY(expect(TokenKind::kBlockEnd, "'%}'"));
  Body body = AGLM_TRY(subparse(ends));
  if (is(TokenKind::kEnd)) return unexpected(fmt::format("'{}'", fmt::join(ends, "' or '")));
  if (drop_end) skip();
  return body;
}

Result<std::unique_ptr<Statement>> Parser::statement() {
  if (!is(TokenKind::kName)) return unexpected("a tag's name");
  const std::string& tag = current().text;
  if (tag == "set") return parse_set();
  if (tag == "for") return parse_for();
  if (tag == "if") return parse_if();
  if (tag == "with") return parse_with();
  if (tag == "macro") return parse_macro();
  if (tag == "call") return parse_call_block();
  if (tag == "filter") return parse_filter_block();
  if (tag == "block") return parse_block();
  if (tag == "print") return parse_print();
  if (tag == "generation") return parse_scope("endgeneration", false);
  if (tag == "autoescape") return parse_scope("endautoescape", true);
  if (tag == "include" || tag == "import" || tag == "from" || tag == "extends") {
    return parse_refused();
  }
  if (tag == "break" || tag == "continue") {
    auto node = make_statement(tag == "break" ? StatementKind::kBreak : StatementKind::kContinue);
    skip();
    return node;
  }
  return unexpected("a known tag");
}

Result<ExprPtr> Parser::assign_target(bool with_namespace, std::string_view end_name) {
  ExprPtr target = AGLM_TRY(
      parse_tuple({.simplified = true, .with_namespace = with_namespace, .end_name = end_name}));
  std::vector<const Expr*> pending{target.get()};
  while (!pending.empty()) {
    const Expr& part = *pending.back();
    pending.pop_back();
    if (part.kind == ExprKind::kTuple) {
      for (const ExprPtr& child : part.children) pending.push_back(child.get());
    } else if (part.kind != ExprKind::kName && part.kind != ExprKind::kNamespaceField) {
      return fail_at(part.position, "can't assign to this expression");
    }
  }
  return target;
}

Result<std::unique_ptr<Statement>> Parser::parse_set() {
  auto node = make_statement(StatementKind::kSet);
  skip();
  node->target = AGLM_TRY(assign_target(true));
  if (skip_operator("=")) {
    node->value = AGLM_TRY(parse_tuple({}));
    return node;
  }
  node->kind = StatementKind::kSetBlock;
  node->value = AGLM_TRY(parse_filters(nullptr, false));
  node->body = AGLM_TRY(statements({"endset"}, true));
  return node;
}

Result<std::unique_ptr<Statement>> Parser::parse_for() {
  auto node = make_statement(StatementKind::kFor);
  skip();
  node->target = AGLM_TRY(assign_target(false, "in"));
  AGLM_TRY(expect_name("in"));
  node->value = AGLM_TRY(parse_tuple({.with_condition = false, .end_name = "recursive"}));
  if (skip_name("if")) node->test = AGLM_TRY(expression());
  node->recursive = skip_name("recursive");
  node->body = AGLM_TRY(statements({"endfor", "else"}, false));
  if (skip_name("else")) {
    node->otherwise = AGLM_TRY(statements({"endfor"}, true));
  } else {
    skip();
  }
  return node;
}

Result<std::unique_ptr<Statement>> Parser::parse_if() {
  auto node = make_statement(StatementKind::kIf);
  skip();
  for (;;) {
    Branch branch;
    branch.test = AGLM_TRY(parse_tuple({.with_condition = false}));
    branch.body = AGLM_TRY(statements({"elif", "else", "endif"}, false));
    node->branches.push_back(std::move(branch));
    if (skip_name("elif")) continue;
    if (skip_name("else")) {
      node->otherwise = AGLM_TRY(statements({"endif"}, true));
    } else {
      skip();
    }
    return node;
  }
}

Result<std::unique_ptr<Statement>> Parser::parse_with() {
  auto node = make_statement(StatementKind::kWith);
  skip();
  while (!is(TokenKind::kBlockEnd)) {
    if (!node->targets.empty()) AGLM_TRY(expect_operator(","));
    node->targets.push_back(AGLM_TRY(assign_target(false)));
    AGLM_TRY(expect_operator("="));
    node->outputs.push_back(AGLM_TRY(expression()));
  }
  node->body = AGLM_TRY(statements({"endwith"}, true));
  return node;
}

Result<void> Parser::parse_signature(Signature& signature) {
  AGLM_TRY(expect_operator("("));
  while (!is_operator(")")) {
    if (!signature.parameters.empty()) AGLM_TRY(expect_operator(","));
    const Position position = current().position;
    std::string name = AGLM_TRY(identifier());
    for (const std::string& other : signature.parameters) {
      if (other == name) return fail_at(position, fmt::format("duplicate argument '{}'", name));
    }
    if (skip_operator("=")) {
      signature.defaults.push_back(AGLM_TRY(expression()));
    } else if (!signature.defaults.empty()) {
      return fail_at(position, "non-default argument follows default argument");
    }
    signature.parameters.push_back(std::move(name));
  }
  return expect_operator(")");
}

Result<std::unique_ptr<Statement>> Parser::parse_macro() {
  auto node = make_statement(StatementKind::kMacro);
  skip();
  node->signature.name = AGLM_TRY(identifier());
  AGLM_TRY(parse_signature(node->signature));
  node->body = AGLM_TRY(statements({"endmacro"}, true));
  return node;
}

Result<std::unique_ptr<Statement>> Parser::parse_call_block() {
  auto node = make_statement(StatementKind::kCallBlock);
  skip();
  if (is_operator("(")) AGLM_TRY(parse_signature(node->signature));
  node->value = AGLM_TRY(expression());
  if (node->value->kind != ExprKind::kCall) return fail_at(node->position, "expected call");
  node->body = AGLM_TRY(statements({"endcall"}, true));
  return node;
}

Result<std::unique_ptr<Statement>> Parser::parse_filter_block() {
  auto node = make_statement(StatementKind::kFilterBlock);
  skip();
  node->value = AGLM_TRY(parse_filters(nullptr, true));
  node->body = AGLM_TRY(statements({"endfilter"}, true));
  return node;
}

Result<std::unique_ptr<Statement>> Parser::parse_block() {
  auto node = make_statement(StatementKind::kBlock);
  skip();
  node->text = AGLM_TRY(identifier());
  node->scoped = skip_name("scoped");
  // A required block must be overridden by a child template, and templates have no children here.
  if (is_name("required")) return fail("required blocks are not supported");
  node->body = AGLM_TRY(statements({"endblock"}, true));
  skip_name(node->text);
  return node;
}

Result<std::unique_ptr<Statement>> Parser::parse_print() {
  auto node = make_statement(StatementKind::kOutput);
  skip();
  while (!is(TokenKind::kBlockEnd)) {
    if (!node->outputs.empty()) AGLM_TRY(expect_operator(","));
    node->outputs.push_back(AGLM_TRY(expression()));
  }
  return node;
}

Result<std::unique_ptr<Statement>> Parser::parse_scope(std::string_view end, bool option) {
  auto node = make_statement(StatementKind::kScope);
  skip();
  if (option) {
    const Position position = current().position;
    ExprPtr flag = AGLM_TRY(expression());
    if (flag->kind != ExprKind::kConst || truth(flag->constant)) {
      return fail_at(position, "autoescape is not supported");
    }
  }
  node->body = AGLM_TRY(statements({end}, true));
  return node;
}

Result<std::unique_ptr<Statement>> Parser::parse_refused() {
  auto node = make_statement(StatementKind::kRefused);
  node->text = current().text;
  skip();
  node->value = AGLM_TRY(expression());
  // `as name`, `import a, b as c`, `ignore missing`, `with context`: never used, so only skipped.
  while (is(TokenKind::kName) || is_operator(",")) skip();
  return node;
}

Result<Template> parse_template(std::string_view source, std::string_view where) {
  std::vector<Token> tokens = AGLM_TRY(tokenize(source, where));
  Template result;
  result.where = where;
  result.body = AGLM_TRY(Parser(std::move(tokens), where).parse());
  AGLM_TRY(check_template(result));
  return result;
}

}  // namespace autoglm::jinja
