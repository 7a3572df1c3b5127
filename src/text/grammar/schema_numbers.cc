// Numbers: "minimum", "maximum", their exclusive forms, "multipleOf".
#include <fmt/format.h>

#include <utility>

#include "text/grammar/decimal_ranges.h"
#include "text/grammar/schema_compiler.h"
#include "text/grammar/schema_negation.h"

namespace autoglm::grammar {
namespace {

// The texts of a number that have no exponent: any zeros may end its fraction.
ExpressionPtr spellings(const Decimal& number) {
  const ExpressionPtr zeros = repeat(text_of("0"), 0, Expression::kUnbounded);
  const std::string text = (number.negative ? "-" : "") + number.whole;
  if (!number.fraction.empty()) return sequence({text_of(text + "." + number.fraction), zeros});
  return sequence({text_of(text), choice({text_of(""), sequence({text_of(".0"), zeros})})});
}

}  // namespace

Result<NumberRange> SchemaCompiler::range_of(const Expanded& all) const {
  NumberRange range;
  const auto raise = [&](const Decimal& bound, bool strictly) {
    const int order = range.least ? compare(bound, *range.least) : 1;
    if (order > 0) range.above = strictly;
    if (order == 0) range.above |= strictly;
    if (order > 0) range.least = bound;
  };
  const auto lower = [&](const Decimal& bound, bool strictly) {
    const int order = range.most ? compare(bound, *range.most) : -1;
    if (order < 0) range.below = strictly;
    if (order == 0) range.below |= strictly;
    if (order < 0) range.most = bound;
  };
  for (const auto& [name, strictly, from_below] :
       {std::tuple{"minimum", false, true}, std::tuple{"exclusiveMinimum", true, true},
        std::tuple{"maximum", false, false}, std::tuple{"exclusiveMaximum", true, false}}) {
    for (const auto& [schema, value] : having(all, name)) {
      bool out = strictly;
      // Draft 4: "exclusiveMinimum": true is said of "minimum".
      if (strictly && value.is_bool()) continue;
      if (!value.is_number()) return index_.invalid(*schema, name, "must be a number");
      const json::value* exclusive =
          schema->get_object().if_contains(from_below ? "exclusiveMinimum" : "exclusiveMaximum");
      out |= exclusive != nullptr && exclusive->is_bool() && exclusive->get_bool();
      from_below ? raise(Decimal::of(value), out) : lower(Decimal::of(value), out);
    }
  }
  return range;
}

Result<void> SchemaCompiler::build_number(const Expanded& all, unsigned types, int32_t rule) {
  const bool integers = (types & kFraction) == 0;
  const NumberRange range = AGLM_TRY(range_of(all));
  std::vector<std::pair<Schema, Decimal>> steps;
  for (const auto& [schema, value] : having(all, "multipleOf")) {
    const Decimal step = value.is_number() ? Decimal::of(value) : Decimal();
    if (step.zero() || step.negative) {
      return index_.invalid(*schema, "multipleOf", "must be a number above 0");
    }
    steps.emplace_back(schema, step);
  }
  const int32_t begin = builder_.begin(rule), end = builder_.end(rule);
  std::vector<ExpressionPtr> ruled_out;
  for (const json::value* value : none_of(all)) {
    if (value->is_number()) ruled_out.push_back(spellings(Decimal::of(*value)));
  }
  if (!range.least && !range.most && steps.empty() && ruled_out.empty()) {
    builder_.call(begin, integers ? prelude_.integer : prelude_.number, end);
    return {};
  }
  Dfa numbers = AGLM_TRY(numbers_in(range, integers, where_, builder_.work()));
  for (const auto& [schema, step] : steps) {
    const auto multiples = multiples_of(step);
    if (!multiples) return index_.unsupported(*schema, "multipleOf", "has too many digits");
    numbers = AGLM_TRY(Dfa::intersection(numbers, *multiples, where_, builder_.work()));
  }
  for (const ExpressionPtr& texts : ruled_out) {
    const Dfa one = AGLM_TRY(Dfa::of(*texts, where_, builder_.work()));
    numbers = AGLM_TRY(Dfa::difference(numbers, one, where_, builder_.work()));
  }
  numbers.build(builder_, begin, end, Spelling::kPlain);
  return {};
}

}  // namespace autoglm::grammar
