// Tokens to a tree, by jinja2's grammar with the loop controls and `generation` tags.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "text/jinja/ast.h"

namespace autoglm::jinja {

// Syntax errors carry `where`, line and column. The tree is checked too (check.h).
Result<Template> parse_template(std::string_view source, std::string_view where);

// Nested brackets (two levels each), tags and chained operators each cost a level of every later
// recursive walk.
inline constexpr int kMaxNesting = 200;
inline constexpr int kMaxHeight = 400;

class Parser {
 public:
  Parser(std::vector<Token> tokens, std::string_view where)
      : tokens_(std::move(tokens)), where_(where) {}
  Result<Body> parse();

 private:
  using Names = std::initializer_list<std::string_view>;

  // Tokens.
  const Token& current() const { return tokens_[at_]; }
  const Token& look() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  void skip(int count = 1);
  bool is(TokenKind kind) const { return current().kind == kind; }
  bool is_operator(std::string_view op) const;
  bool is_name(std::string_view name) const;
  bool is_any_name(Names names) const;
  bool skip_operator(std::string_view op);
  bool skip_name(std::string_view name);
  Result<void> expect(TokenKind kind, std::string_view what);
  Result<void> expect_operator(std::string_view op);
  Result<void> expect_name(std::string_view name);
  Result<std::string> identifier();
  Error fail(std::string what) const;
  Error fail_at(Position position, std::string what) const;
  Error unexpected(std::string_view expected) const;

  // Statements (parser_statements.cc).
  Result<Body> subparse(Names ends);
  Result<Body> statements(Names ends, bool drop_end);
  Result<std::unique_ptr<Statement>> statement();
  Result<std::unique_ptr<Statement>> parse_set();
  Result<std::unique_ptr<Statement>> parse_for();
  Result<std::unique_ptr<Statement>> parse_if();
  Result<std::unique_ptr<Statement>> parse_with();
  Result<std::unique_ptr<Statement>> parse_macro();
  Result<std::unique_ptr<Statement>> parse_call_block();
  Result<std::unique_ptr<Statement>> parse_filter_block();
  Result<std::unique_ptr<Statement>> parse_block();
  Result<std::unique_ptr<Statement>> parse_print();
  Result<std::unique_ptr<Statement>> parse_scope(std::string_view end, bool option);
  Result<std::unique_ptr<Statement>> parse_refused();
  Result<void> parse_signature(Signature& signature);
  std::unique_ptr<Statement> make_statement(StatementKind kind) const;

  // Expressions (parser_expressions.cc).
  Result<ExprPtr> expression(bool with_condition = true);
  Result<ExprPtr> parse_condition();
  Result<ExprPtr> parse_or();
  Result<ExprPtr> parse_and();
  Result<ExprPtr> parse_not();
  Result<ExprPtr> parse_compare();
  Result<ExprPtr> parse_sum();
  Result<ExprPtr> parse_concat();
  Result<ExprPtr> parse_product();
  Result<ExprPtr> parse_power();
  Result<ExprPtr> parse_unary(bool with_filter);
  Result<ExprPtr> parse_primary(bool with_namespace = false);
  Result<ExprPtr> parse_string();
  Result<ExprPtr> parse_list();
  Result<ExprPtr> parse_dict();
  Result<ExprPtr> parse_postfix(ExprPtr base);
  Result<ExprPtr> parse_filter_expression(ExprPtr base);
  Result<ExprPtr> parse_subscript(ExprPtr base);
  Result<ExprPtr> parse_subscribed();
  Result<ExprPtr> parse_filters(ExprPtr base, bool start_inline);
  Result<ExprPtr> parse_test(ExprPtr base);
  Result<ExprPtr> parse_call(ExprPtr callee);
  Result<void> parse_call_arguments(CallArguments& call);
  struct TupleOptions {
    bool simplified = false;
    bool with_condition = true;
    bool parentheses = false;
    bool with_namespace = false;
    std::string_view end_name;
  };
  Result<ExprPtr> parse_tuple(TupleOptions options);
  bool is_tuple_end(std::string_view end_name) const;
  Result<ExprPtr> assign_target(bool with_namespace, std::string_view end_name = {});
  ExprPtr make(ExprKind kind, Position position) const;
  // Adds the children's height and refuses a tree that is too tall.
  Result<ExprPtr> finish(ExprPtr node) const;
  Result<ExprPtr> binary(ExprKind kind, std::string op, Position position, ExprPtr left,
                         ExprPtr right) const;

  std::vector<Token> tokens_;
  std::string_view where_;
  size_t at_ = 0;
  int nesting_ = 0;
};

// Counts nested productions while it lives.
class Nested {
 public:
  explicit Nested(int& count) : count_(&count) { ++*count_; }
  ~Nested() { --*count_; }
  Nested(const Nested&) = delete;
  Nested& operator=(const Nested&) = delete;

 private:
  int* count_;
};

}  // namespace autoglm::jinja
