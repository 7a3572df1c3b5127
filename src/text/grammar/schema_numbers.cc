// Numbers: "minimum", "maximum", their exclusive forms, "multipleOf", and the numbers that
// negations rule out. The languages of digits are made by decimal_ranges.h.
#include "text/grammar/schema_numbers.h"

#include <fmt/format.h>

#include <utility>

#include "text/grammar/dfa.h"
#include "text/grammar/schema_values.h"

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

Result<NumberRange> range_of(const SchemaContext& context, const Expanded& all) {
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
      if (!value.is_number()) return context.index.invalid(*schema, name, "must be a number");
      const json::value* exclusive =
          schema->get_object().if_contains(from_below ? "exclusiveMinimum" : "exclusiveMaximum");
      out |= exclusive != nullptr && exclusive->is_bool() && exclusive->get_bool();
      from_below ? raise(Decimal::of(value), out) : lower(Decimal::of(value), out);
    }
  }
  return range;
}

Result<void> build_number(const SchemaContext& context, const Expanded& all, unsigned types,
                          int32_t rule) {
  GrammarBuilder& builder = context.builder;
  const bool integers = (types & kFraction) == 0;
  const NumberRange range = AGLM_TRY(range_of(context, all));
  std::vector<std::pair<Schema, Decimal>> steps;
  for (const auto& [schema, value] : having(all, "multipleOf")) {
    const Decimal step = value.is_number() ? Decimal::of(value) : Decimal();
    if (step.zero() || step.negative) {
      return context.index.invalid(*schema, "multipleOf", "must be a number above 0");
    }
    steps.emplace_back(schema, step);
  }
  const int32_t begin = builder.begin(rule), end = builder.end(rule);
  std::vector<ExpressionPtr> ruled_out;
  for (const json::value* value : none_of(all)) {
    if (value->is_number()) ruled_out.push_back(spellings(Decimal::of(*value)));
  }
  if (!range.least && !range.most && steps.empty() && ruled_out.empty()) {
    builder.call(begin, integers ? context.prelude.integer : context.prelude.number, end);
    return {};
  }
  Dfa numbers = AGLM_TRY(numbers_in(range, integers, context.where, context.work()));
  for (const auto& [schema, step] : steps) {
    const auto multiples = multiples_of(step);
    if (!multiples) return context.index.unsupported(*schema, "multipleOf", "has too many digits");
    numbers = AGLM_TRY(Dfa::intersection(numbers, *multiples, context.where, context.work()));
  }
  for (const ExpressionPtr& texts : ruled_out) {
    const Dfa one = AGLM_TRY(Dfa::of(*texts, context.where, context.work()));
    numbers = AGLM_TRY(Dfa::difference(numbers, one, context.where, context.work()));
  }
  numbers.build(builder, begin, end, Spelling::kPlain);
  return {};
}

}  // namespace autoglm::grammar
