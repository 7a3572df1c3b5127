// Strings: "minLength", "maxLength", "pattern", "format", and the texts and patterns that negations
// rule out. Formats are spelled out by json_formats.h, patterns are read by regex_syntax.h.
#include "text/grammar/schema_strings.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "text/grammar/json_formats.h"
#include "text/grammar/regex_syntax.h"
#include "text/grammar/schema_negation.h"
#include "text/grammar/schema_values.h"

namespace autoglm::grammar {
namespace {

ExpressionPtr anything() { return repeat(one_of(CodePointSet::all()), 0, Expression::kUnbounded); }

// The expressions of "pattern" and "format".
Result<std::vector<ExpressionPtr>> string_expressions(const SchemaContext& context,
                                                      const Expanded& all) {
  std::vector<ExpressionPtr> result;
  std::vector<std::string> seen;
  const auto is_new = [&](std::string text) {
    if (std::find(seen.begin(), seen.end(), text) != seen.end()) return false;
    seen.push_back(std::move(text));
    return true;
  };
  for (const auto& [schema, value] : having(all, "pattern")) {
    if (!value.is_string()) return context.index.invalid(*schema, "pattern", "must be a string");
    const std::string_view source = value.get_string();
    if (is_new("p" + std::string(source))) {
      result.push_back(AGLM_TRY(parse_pattern(context, schema, "pattern", source)));
    }
  }
  for (const auto& [schema, value] : having(all, "format")) {
    if (!value.is_string()) return context.index.invalid(*schema, "format", "must be a string");
    const std::string_view name = value.get_string();
    const StringFormat format = string_format(name);
    if (format.kind == FormatKind::kNotOffered) {
      return context.index.unsupported(*schema, "format", fmt::format("{} is not supported", name));
    }
    if (format.kind == FormatKind::kEnforced && is_new("f" + std::string(name))) {
      result.push_back(AGLM_TRY(parse_regex(format.expression, context.where)));
    }
  }
  return result;
}

bool rules_out_strings(const Expanded& all) {
  return !having(all, kNoMatch).empty() ||
         std::ranges::any_of(none_of(all), [](const json::value* v) { return v->is_string(); });
}

// What negations say of strings, taken from `language`.
Result<Dfa> without_negated(const SchemaContext& context, Dfa language, const Expanded& all) {
  std::vector<ExpressionPtr> texts{one_of({})};
  for (const json::value* value : none_of(all)) {
    if (value->is_string()) texts.push_back(text_of(std::string(value->get_string())));
  }
  for (const auto& [schema, source] : having(all, kNoMatch)) {
    if (!source.is_string()) return context.index.invalid(*schema, "pattern", "must be a string");
    texts.push_back(
        AGLM_TRY(parse_pattern(context, schema, "pattern", std::string_view(source.get_string()))));
  }
  return Dfa::difference(
      language, AGLM_TRY(Dfa::of(*choice(std::move(texts)), context.where, context.work())),
      context.where, context.work());
}

// What `language` has in common with the expression's; with nothing, which is any string, all of
// it.
Result<void> restrict_to(const SchemaContext& context, const Expression& e,
                         std::optional<Dfa>& language) {
  Dfa own = AGLM_TRY(Dfa::of(e, context.where, context.work()));
  if (language) own = AGLM_TRY(Dfa::intersection(*language, own, context.where, context.work()));
  language = std::move(own);
  return {};
}

// What patterns, formats and negations leave; nothing: any string.
Result<std::optional<Dfa>> language_of_patterns(const SchemaContext& context, const Expanded& all) {
  std::optional<Dfa> language;
  const std::vector<ExpressionPtr> expressions = AGLM_TRY(string_expressions(context, all));
  for (const ExpressionPtr& e : expressions) AGLM_TRY(restrict_to(context, *e, language));
  if (!rules_out_strings(all)) return language;
  if (!language) AGLM_TRY(restrict_to(context, *anything(), language));
  language = AGLM_TRY(without_negated(context, std::move(*language), all));
  return language;
}

}  // namespace

Result<ExpressionPtr> parse_pattern(const SchemaContext& context, Schema schema,
                                    std::string_view keyword, std::string_view source) {
  auto parsed = parse_regex(source, context.where, {.anywhere = true});
  if (!parsed)
    return context.index.error(*schema, keyword, parsed.error().code, parsed.error().what);
  return parsed;
}

Result<std::optional<Dfa>> string_language(const SchemaContext& context, const Expanded& all) {
  std::optional<Dfa> language = AGLM_TRY(language_of_patterns(context, all));
  if (const auto listed = AGLM_TRY(listed_values(context, all))) {
    std::vector<ExpressionPtr> texts{one_of({})};
    for (const json::value* value : *listed) {
      if (value->is_string()) texts.push_back(text_of(std::string(value->get_string())));
    }
    AGLM_TRY(restrict_to(context, *choice(std::move(texts)), language));
  }
  const Lengths bounds = AGLM_TRY(lengths(context, all, "minLength", "maxLength"));
  if (bounds.least == 0 && bounds.most < 0) return language;
  if (!language) AGLM_TRY(restrict_to(context, *anything(), language));
  language =
      AGLM_TRY(language->of_length(bounds.least, bounds.most, context.where, context.work()));
  return language;
}

Result<void> build_string(const SchemaContext& context, const Expanded& all, int32_t rule) {
  GrammarBuilder& builder = context.builder;
  const Lengths bounds = AGLM_TRY(lengths(context, all, "minLength", "maxLength"));
  if (bounds.most >= 0 && bounds.least > bounds.most) return {};
  const std::vector<ExpressionPtr> expressions = AGLM_TRY(string_expressions(context, all));
  const bool any_length = bounds.least == 0 && bounds.most < 0;
  const int32_t begin = builder.begin(rule), end = builder.end(rule);
  const bool ruled_out = rules_out_strings(all);
  if (expressions.empty() && any_length && !ruled_out) {
    builder.call(begin, context.prelude.string, end);
    return {};
  }
  const int32_t open = builder.add_node(rule), close = builder.add_node(rule);
  builder.text(begin, "\"", open);
  builder.text(close, "\"", end);
  if (expressions.empty() && !ruled_out) {
    builder.repeated_rule(open, context.prelude.character, static_cast<int32_t>(bounds.least),
                          static_cast<int32_t>(bounds.most), close);
    return {};
  }
  if (expressions.size() == 1 && any_length && !ruled_out) {
    builder.expression(open, *expressions[0], close, Spelling::kJsonString);
    return {};
  }
  std::optional<Dfa> language = AGLM_TRY(language_of_patterns(context, all));
  if (!any_length) {
    language =
        AGLM_TRY(language->of_length(bounds.least, bounds.most, context.where, context.work()));
  }
  language->build(builder, open, close, Spelling::kJsonString);
  return {};
}

}  // namespace autoglm::grammar
