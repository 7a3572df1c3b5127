// Strings: "minLength", "maxLength", "pattern", "format".
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "text/grammar/json_formats.h"
#include "text/grammar/regex_syntax.h"
#include "text/grammar/schema_compiler.h"
#include "text/grammar/schema_negation.h"

namespace autoglm::grammar {
namespace {

ExpressionPtr anything() { return repeat(one_of(CodePointSet::all()), 0, Expression::kUnbounded); }

}  // namespace

Result<SchemaCompiler::Lengths> SchemaCompiler::lengths(const Expanded& all, std::string_view least,
                                                        std::string_view most) const {
  Lengths lengths;
  for (const auto& [schema, value] : having(all, least)) {
    lengths.least = std::max(lengths.least, *AGLM_TRY(count(schema, least)));
  }
  for (const auto& [schema, value] : having(all, most)) {
    const int64_t own = *AGLM_TRY(count(schema, most));
    lengths.most = lengths.most < 0 ? own : std::min(lengths.most, own);
  }
  if (lengths.least > GrammarBuilder::kMaxCount) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = fmt::format("keyword \"{}\" is too large", least),
                 .where = std::string(where_),
                 .expected = fmt::format("at most {}", GrammarBuilder::kMaxCount),
                 .found = fmt::to_string(lengths.least)};
  }
  // No answer is so long that this could be noticed.
  if (lengths.most > GrammarBuilder::kMaxCount) lengths.most = -1;
  return lengths;
}

// The expressions of "pattern" and "format".
Result<std::vector<ExpressionPtr>> SchemaCompiler::string_expressions(const Expanded& all) const {
  std::vector<ExpressionPtr> result;
  std::vector<std::string> seen;
  const auto is_new = [&](std::string text) {
    if (std::find(seen.begin(), seen.end(), text) != seen.end()) return false;
    seen.push_back(std::move(text));
    return true;
  };
  for (const auto& [schema, value] : having(all, "pattern")) {
    if (!value.is_string()) return index_.invalid(*schema, "pattern", "must be a string");
    const std::string_view source = value.get_string();
    if (is_new("p" + std::string(source))) {
      result.push_back(AGLM_TRY(pattern(schema, "pattern", source)));
    }
  }
  for (const auto& [schema, value] : having(all, "format")) {
    if (!value.is_string()) return index_.invalid(*schema, "format", "must be a string");
    const std::string_view name = value.get_string();
    const StringFormat format = string_format(name);
    if (format.kind == FormatKind::kNotOffered) {
      return index_.unsupported(*schema, "format", fmt::format("{} is not supported", name));
    }
    if (format.kind == FormatKind::kEnforced && is_new("f" + std::string(name))) {
      result.push_back(AGLM_TRY(parse_regex(format.expression, where_)));
    }
  }
  return result;
}

Result<ExpressionPtr> SchemaCompiler::pattern(Schema schema, std::string_view keyword,
                                              std::string_view source) const {
  auto parsed = parse_regex(source, where_, {.anywhere = true});
  if (!parsed) return index_.error(*schema, keyword, parsed.error().code, parsed.error().what);
  return parsed;
}

bool SchemaCompiler::rules_out_strings(const Expanded& all) {
  return !having(all, kNoMatch).empty() ||
         std::ranges::any_of(none_of(all), [](const json::value* v) { return v->is_string(); });
}

Result<Dfa> SchemaCompiler::without_negated(Dfa language, const Expanded& all) const {
  std::vector<ExpressionPtr> texts{one_of({})};
  for (const json::value* value : none_of(all)) {
    if (value->is_string()) texts.push_back(text_of(std::string(value->get_string())));
  }
  for (const auto& [schema, source] : having(all, kNoMatch)) {
    if (!source.is_string()) return index_.invalid(*schema, "pattern", "must be a string");
    texts.push_back(AGLM_TRY(pattern(schema, "pattern", std::string_view(source.get_string()))));
  }
  return Dfa::difference(language,
                         AGLM_TRY(Dfa::of(*choice(std::move(texts)), where_, builder_.work())),
                         where_, builder_.work());
}

Result<std::optional<Dfa>> SchemaCompiler::string_language(const Expanded& all, bool with_lengths) {
  std::optional<Dfa> language;
  const auto restrict_to = [&](const ExpressionPtr& e) -> Result<void> {
    Dfa own = AGLM_TRY(Dfa::of(*e, where_, builder_.work()));
    if (language) own = AGLM_TRY(Dfa::intersection(*language, own, where_, builder_.work()));
    language = std::move(own);
    return {};
  };
  const std::vector<ExpressionPtr> expressions = AGLM_TRY(string_expressions(all));
  for (const ExpressionPtr& e : expressions) AGLM_TRY(restrict_to(e));
  if (rules_out_strings(all)) {
    if (!language) AGLM_TRY(restrict_to(anything()));
    language = AGLM_TRY(without_negated(std::move(*language), all));
  }
  if (!with_lengths) return language;
  if (const auto listed = AGLM_TRY(values(all))) {
    std::vector<ExpressionPtr> texts{one_of({})};
    for (const json::value* value : *listed) {
      if (value->is_string()) texts.push_back(text_of(std::string(value->get_string())));
    }
    AGLM_TRY(restrict_to(choice(std::move(texts))));
  }
  const Lengths bounds = AGLM_TRY(lengths(all, "minLength", "maxLength"));
  if (bounds.least == 0 && bounds.most < 0) return language;
  if (!language) AGLM_TRY(restrict_to(anything()));
  language = AGLM_TRY(language->of_length(bounds.least, bounds.most, where_, builder_.work()));
  return language;
}

Result<void> SchemaCompiler::build_string(const Expanded& all, int32_t rule) {
  const Lengths bounds = AGLM_TRY(lengths(all, "minLength", "maxLength"));
  if (bounds.most >= 0 && bounds.least > bounds.most) return {};
  const std::vector<ExpressionPtr> expressions = AGLM_TRY(string_expressions(all));
  const bool any_length = bounds.least == 0 && bounds.most < 0;
  const int32_t begin = builder_.begin(rule), end = builder_.end(rule);
  const bool ruled_out = rules_out_strings(all);
  if (expressions.empty() && any_length && !ruled_out) {
    builder_.call(begin, prelude_.string, end);
    return {};
  }
  const int32_t open = builder_.add_node(rule), close = builder_.add_node(rule);
  builder_.text(begin, "\"", open);
  builder_.text(close, "\"", end);
  if (expressions.empty() && !ruled_out) {
    builder_.repeated_rule(open, prelude_.character, static_cast<int32_t>(bounds.least),
                           static_cast<int32_t>(bounds.most), close);
    return {};
  }
  if (expressions.size() == 1 && any_length && !ruled_out) {
    builder_.expression(open, *expressions[0], close, Spelling::kJsonString);
    return {};
  }
  std::optional<Dfa> language = AGLM_TRY(string_language(all, false));
  if (!any_length) {
    language = AGLM_TRY(language->of_length(bounds.least, bounds.most, where_, builder_.work()));
  }
  language->build(builder_, open, close, Spelling::kJsonString);
  return {};
}

}  // namespace autoglm::grammar
