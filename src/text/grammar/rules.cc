#include "text/grammar/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "text/grammar/reader.h"

namespace autoglm::grammar {
namespace {

// Rules of at most this many parts are written out where they are called: a call costs more.
constexpr int kSmall = 64;

void each_call(const Expression& e, const std::function<void(int32_t)>& call) {
  if (e.kind == Expression::Kind::kRule) call(e.rule);
  for (const ExpressionPtr& part : e.parts) each_call(*part, call);
}

int size_of(const Expression& e, const std::vector<int>& sizes) {
  if (e.kind == Expression::Kind::kRule) {
    const int size = sizes[static_cast<size_t>(e.rule)];
    return size > 0 ? size : 1;
  }
  int size = e.kind == Expression::Kind::kText
                 ? static_cast<int>(std::min<size_t>(e.text.size(), 1000))
                 : 1;
  int most_parts = 0;
  for (const ExpressionPtr& part : e.parts)
    most_parts = std::min(100'000, most_parts + size_of(*part, sizes));
  // What is repeated is written out some times.
  const int times =
      e.kind == Expression::Kind::kRepeat ? std::clamp(std::max(e.least, e.most), 1, 100) : 1;
  size += most_parts * times;
  return std::min(size, 100'000);
}

// The tree with calls replaced: by other numbers, or by what they call.
ExpressionPtr replaced(const ExpressionPtr& e, const std::vector<ExpressionPtr>& by) {
  if (e->kind == Expression::Kind::kRule) return by[static_cast<size_t>(e->rule)];
  if (e->parts.empty()) return e;
  Expression made = *e;
  for (ExpressionPtr& part : made.parts) part = replaced(part, by);
  return std::make_shared<const Expression>(std::move(made));
}

}  // namespace

int32_t Rules::number(const std::string& name) {
  const auto [found, is_new] = numbers_.emplace(name, size());
  if (is_new) {
    names_.push_back(name);
    bodies_.emplace_back();
  }
  return found->second;
}

Result<int32_t> Rules::build(GrammarBuilder& builder, const std::string& root,
                             std::string_view where) const {
  const auto found = numbers_.find(root);
  if (found == numbers_.end() || !defined(found->second)) {
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "the grammar has no beginning",
                 .where = std::string(where),
                 .expected = fmt::format("a rule named {}", root)};
  }
  for (int32_t rule = 0; rule < size(); ++rule) {
    if (defined(rule)) continue;
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = fmt::format("rule {} is not defined", name(rule)),
                 .where = std::string(where)};
  }
  // Rules in the order in which all that one calls comes before it; those in circles never come.
  const auto n = static_cast<size_t>(size());
  std::vector<std::vector<int32_t>> callers(n);
  std::vector<int> open(n, 0), sizes(n, 0);
  for (size_t rule = 0; rule < n; ++rule) {
    each_call(*bodies_[rule], [&](int32_t called) {
      callers[static_cast<size_t>(called)].push_back(static_cast<int32_t>(rule));
      ++open[rule];
    });
  }
  std::vector<ExpressionPtr> by(n);
  std::vector<int32_t> numbers(n, -1);
  std::vector<size_t> ready;
  for (size_t rule = 0; rule < n; ++rule) {
    if (open[rule] == 0) ready.push_back(rule);
  }
  std::vector<char> inlined(n, 0);
  for (size_t i = 0; i < ready.size(); ++i) {
    const size_t rule = ready[i];
    const int size = size_of(*bodies_[rule], sizes);
    if (size <= kSmall) {
      sizes[rule] = size;
      inlined[rule] = 1;
    }
    for (const int32_t caller : callers[rule]) {
      if (--open[static_cast<size_t>(caller)] == 0) ready.push_back(static_cast<size_t>(caller));
    }
  }
  for (size_t rule = 0; rule < n; ++rule) {
    if (inlined[rule]) continue;
    numbers[rule] = builder.add_rule(names_[rule]);
    by[rule] = rule_reference(numbers[rule]);
  }
  for (const size_t rule : ready) {
    if (inlined[rule]) by[rule] = replaced(bodies_[rule], by);
  }
  for (size_t rule = 0; rule < n; ++rule) {
    if (inlined[rule]) continue;
    builder.expression(builder.begin(numbers[rule]), *replaced(bodies_[rule], by),
                       builder.end(numbers[rule]));
  }
  const auto begin = static_cast<size_t>(found->second);
  if (!inlined[begin]) return numbers[begin];
  const int32_t rule = builder.add_rule(root);
  builder.expression(builder.begin(rule), *by[begin], builder.end(rule));
  return rule;
}

Result<int32_t> build_grammar(GrammarBuilder& builder, std::string_view source,
                              std::string_view where) {
  if (source.find("::=") != std::string_view::npos) {
    const Rules rules = AGLM_TRY(parse_gbnf(source, where));
    return rules.build(builder, "root", where);
  }
  const Rules rules = AGLM_TRY(parse_lark(source, where));
  return rules.build(builder, "start", where);
}

}  // namespace autoglm::grammar
