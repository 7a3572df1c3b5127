#include "runtime/answer_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/json.h"
#include "text/tools/call_grammar.h"
#include "text/tools/output_parser.h"

namespace autoglm {

Result<tools::OutputFormat> answer_format(const LoadOptions& options, tools::OutputFormat found) {
  if (options.tool_call_parser != "auto") {
    const auto named = tools::call_format_of(options.tool_call_parser);
    if (!named) {
      return Error{.code = ErrorCode::kInvalidArgument,
                   .what = "option has the wrong value",
                   .where = "tool_call_parser",
                   .expected = fmt::format("auto, {}", fmt::join(tools::call_format_names(), ", ")),
                   .found = options.tool_call_parser};
    }
    found.calls = *named;
  }
  const std::string& reasoning = options.reasoning_parser;
  if (reasoning == "auto") return found;
  if (reasoning != "none" && reasoning != "think") {
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "option has the wrong value",
                 .where = "reasoning_parser",
                 .expected = "auto, none or think",
                 .found = reasoning};
  }
  found.reasoning = reasoning == "think";
  return found;
}

bool tags_are_special(const tools::OutputFormat& format, const Tokenizer& tokenizer) {
  const std::vector<std::string_view> tags = tools::tags_of(format);
  return std::any_of(tags.begin(), tags.end(), [&](std::string_view tag) {
    const auto id = tokenizer.token_id(tag);
    return id && tokenizer.is_special(*id);
  });
}

namespace {

Result<json::array> parse_tools(const std::string& text) {
  if (text.empty()) return json::array();
  json::value list = AGLM_TRY(json::parse(text, "tools"));
  if (list.is_array()) return std::move(list.get_array());
  return Error{ErrorCode::kInvalidArgument, "wrong kind", "tools", "a list",
               std::string(json::kind_name(list))};
}

// The same wish in the notation of structural tags; empty for none, and for the older notation,
// which holds a whole answer only.
Result<json::object> format_of(const StructuredOutput& form) {
  using Kind = StructuredOutput::Kind;
  switch (form.kind) {
    case Kind::kNone: break;
    case Kind::kJsonObject:
      return json::object{{"type", "json_schema"}, {"json_schema", {{"type", "object"}}}};
    case Kind::kJson: {
      json::value schema = AGLM_TRY(json::parse(form.text, form.field));
      return json::object{{"type", "json_schema"}, {"json_schema", std::move(schema)}};
    }
    case Kind::kRegex: return json::object{{"type", "regex"}, {"pattern", form.text}};
    case Kind::kGrammar: return json::object{{"type", "grammar"}, {"grammar", form.text}};
    case Kind::kChoice: {
      json::array texts;
      for (const std::string& text : form.choices) {
        texts.push_back(json::object{{"type", "const_string"}, {"value", text}});
      }
      return json::object{{"type", "or"}, {"elements", std::move(texts)}};
    }
    case Kind::kStructuralTag: {
      const json::value tag = AGLM_TRY(json::parse(form.text, form.field));
      const json::object* fields = tag.if_object();
      const json::value* format = fields == nullptr ? nullptr : fields->if_contains("format");
      if (format != nullptr && format->is_object()) return format->get_object();
    }
  }
  return json::object();
}

}  // namespace

Result<std::unique_ptr<AnswerReader>> make_answer_reader(tools::OutputFormat format,
                                                         const AnswerReaderOptions& options) {
  tools::ToolCatalog catalog(AGLM_TRY(parse_tools(options.tools_json)));
  format.reasoning = format.reasoning && options.separate_reasoning;
  const tools::OutputParserOptions parser{
      .format = format,
      .in_reasoning = tools::begins_in_reasoning(options.prompt),
      .calls_first = options.calls_first};
  return std::unique_ptr<AnswerReader>(
      std::make_unique<tools::OutputParser>(parser, std::move(catalog)));
}

Result<ToolRules> make_tool_rules(const tools::OutputFormat& format, bool tags_are_special,
                                  const ToolRulesOptions& options) {
  const json::array list = AGLM_TRY(parse_tools(options.tools_json));
  json::object otherwise = AGLM_TRY(format_of(options.form));
  if (options.form.kind != StructuredOutput::Kind::kNone && otherwise.empty()) return ToolRules{};
  tools::CallGrammar grammar = AGLM_TRY(
      tools::call_grammar(list, {.format = format,
                                 .required = options.required,
                                 .name = options.name,
                                 .parallel = options.parallel,
                                 .otherwise = std::move(otherwise),
                                 .in_reasoning = tools::begins_in_reasoning(options.prompt),
                                 .tags_are_special = tags_are_special}));
  ToolRules rules{.begun = std::move(grammar.begun)};
  if (!grammar.structural_tag.empty()) {
    rules.structural_tag = boost::json::serialize(grammar.structural_tag);
  }
  return rules;
}

}  // namespace autoglm
