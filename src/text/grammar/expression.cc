#include "text/grammar/expression.h"

namespace autoglm::grammar {
namespace {

ExpressionPtr made(Expression e) { return std::make_shared<const Expression>(std::move(e)); }

}  // namespace

ExpressionPtr text_of(std::string text) {
  return made({.kind = Expression::Kind::kText, .text = std::move(text)});
}

ExpressionPtr one_of(CodePointSet set) {
  return made({.kind = Expression::Kind::kSet, .set = std::move(set)});
}

ExpressionPtr sequence(std::vector<ExpressionPtr> parts) {
  if (parts.size() == 1) return std::move(parts.front());
  return made({.kind = Expression::Kind::kSequence, .parts = std::move(parts)});
}

ExpressionPtr choice(std::vector<ExpressionPtr> parts) {
  if (parts.size() == 1) return std::move(parts.front());
  return made({.kind = Expression::Kind::kChoice, .parts = std::move(parts)});
}

ExpressionPtr repeat(ExpressionPtr part, int32_t least, int32_t most) {
  return made({.kind = Expression::Kind::kRepeat,
               .parts = {std::move(part)},
               .least = least,
               .most = most});
}

ExpressionPtr rule_reference(int32_t rule) {
  return made({.kind = Expression::Kind::kRule, .rule = rule});
}

}  // namespace autoglm::grammar
