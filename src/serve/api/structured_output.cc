#include "serve/api/structured_output.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

#include "base/utf8.h"
#include "serve/api/errors.h"
#include "serve/api/fields.h"

namespace autoglm::serve {
namespace {

using Kind = StructuredOutput::Kind;

struct WishField {
  std::string_view name;
  Kind kind;
};
// Top-level fields, and those of structured_outputs.
constexpr std::array<WishField, 7> kGuided = {{{"guided_json", Kind::kJson},
                                               {"guided_regex", Kind::kRegex},
                                               {"guided_choice", Kind::kChoice},
                                               {"guided_grammar", Kind::kGrammar},
                                               {"structural_tag", Kind::kStructuralTag},
                                               {"json_schema", Kind::kJson},
                                               {"grammar", Kind::kGrammar}}};
constexpr std::array<WishField, 6> kStructured = {{{"json", Kind::kJson},
                                                   {"regex", Kind::kRegex},
                                                   {"choice", Kind::kChoice},
                                                   {"grammar", Kind::kGrammar},
                                                   {"json_object", Kind::kJsonObject},
                                                   {"structural_tag", Kind::kStructuralTag}}};

// How the JSON of an answer is written; the same for each of the forms.
struct Style {
  bool compact = false, closed = false, any = false;
  std::optional<std::string> whitespace_pattern;
};
// Whatever the form; of these names vLLM's requests know the longer ones at the top level.
constexpr std::string_view kCompact = "disable_any_whitespace";
constexpr std::string_view kClosed = "disable_additional_properties";
constexpr std::string_view kPattern = "whitespace_pattern";
constexpr std::string_view kFallback = "disable_fallback";  // there is none

Result<Style> read_style(const json::Fields& fields, std::string_view prefix_of_switches,
                         std::string_view prefix_of_pattern) {
  const auto named = [](std::string_view prefix, std::string_view name) {
    return fmt::format("{}{}", prefix, name);
  };
  Style style;
  const std::pair<std::string_view, bool*> switches[] = {
      {kCompact, &style.compact}, {kClosed, &style.closed}, {kFallback, nullptr}};
  for (const auto& [name, place] : switches) {
    const std::string key = named(prefix_of_switches, name);
    const bool value = AGLM_TRY(boolean_field(fields, key, false));
    if (place != nullptr) *place = value;
  }
  style.whitespace_pattern = AGLM_TRY(string_field(fields, named(prefix_of_pattern, kPattern)));
  style.any = style.compact || style.closed || style.whitespace_pattern.has_value();
  if (style.compact && style.whitespace_pattern) {
    return bad_field(named(prefix_of_pattern, kPattern),
                     fmt::format("cannot be asked for together with {}", kCompact));
  }
  return style;
}

void apply_style(const Style& style, StructuredOutput& wish) {
  wish.disable_any_whitespace |= style.compact;
  wish.disable_additional_properties |= style.closed;
  if (style.whitespace_pattern) wish.whitespace_pattern = style.whitespace_pattern;
}

Result<void> check_known(const json::Fields& structured) {
  constexpr std::array kStyles = {kCompact, kClosed, kPattern, kFallback};
  for (const auto& member : structured.raw()) {
    const std::string_view key = member.key();
    const bool known = std::ranges::find(kStyles, key) != kStyles.end() ||
                       std::ranges::find(kStructured, key, &WishField::name) != kStructured.end();
    if (known) continue;
    return bad_field(fmt::format("structured_outputs.{}", repair_utf8(utf8_prefix(key, 64))),
                     "unknown field");
  }
  return {};
}

// An empty text, as some clients send for "none", is no wish.
bool says_nothing(const json::value& value) {
  return value.is_null() || (value.is_string() && value.get_string().empty());
}

Result<StructuredOutput> wish_of(Kind kind, const json::value& value, std::string_view field) {
  StructuredOutput wish{.kind = kind, .field = std::string(field)};
  if (kind == Kind::kJsonObject) {
    if (!value.is_bool())
      return bad_field(field, "wrong kind", "a boolean", json::kind_name(value));
    if (!value.get_bool()) wish.kind = Kind::kNone;
    return wish;
  }
  if (kind == Kind::kChoice) {
    if (!value.is_array() || value.get_array().empty()) {
      return bad_field(field, "wrong kind", "a list of strings", json::kind_name(value));
    }
    for (const json::value& choice : value.get_array()) {
      if (!choice.is_string()) {
        return bad_field(field, "wrong kind", "a list of strings", json::kind_name(choice));
      }
      wish.choices.emplace_back(choice.get_string());
    }
    return wish;
  }
  // JSON comes as itself or as a text that holds it.
  if (value.is_string()) {
    wish.text = value.get_string();
  } else if (kind == Kind::kJson || kind == Kind::kStructuralTag) {
    if (!value.is_object() && !(kind == Kind::kJson && value.is_bool())) {
      return bad_field(field, "wrong kind", "an object", json::kind_name(value));
    }
    wish.text = boost::json::serialize(value);
  } else {
    return bad_field(field, "wrong kind", "a string", json::kind_name(value));
  }
  return wish;
}

Result<StructuredOutput> response_format(const json::Fields& fields) {
  constexpr std::string_view kField = "response_format";
  const json::Fields format = AGLM_TRY(required_object(fields, kField));
  const std::string type = AGLM_TRY(required_string(format, "type"));
  StructuredOutput wish{.field = std::string(kField)};
  if (type == "text") return wish;
  if (type == "json_object") {
    wish.kind = Kind::kJsonObject;
    // llama.cpp takes a schema here, too.
    const json::value* schema = format.find("schema");
    return schema == nullptr ? wish : wish_of(Kind::kJson, *schema, kField);
  }
  if (type == "json_schema") {
    const json::Fields named = AGLM_TRY(required_object(format, "json_schema"));
    const json::value* schema = named.find("schema");
    if (schema == nullptr) {
      return bad_field("response_format.json_schema.schema", "field is missing", "a schema");
    }
    return wish_of(Kind::kJson, *schema, kField);
  }
  if (type == "structural_tag") {
    wish.kind = Kind::kStructuralTag;
    wish.text = boost::json::serialize(format.raw());
    return wish;
  }
  return bad_field("response_format.type", "unknown type",
                   "text, json_object, json_schema or structural_tag",
                   repair_utf8(utf8_prefix(type, 64)));
}

}  // namespace

Result<StructuredOutput> read_structured_output(const json::Fields& fields) {
  StructuredOutput wish;
  std::string wished_by;  // the whole key
  const auto add = [&](Result<StructuredOutput> found, const std::string& key) -> Result<void> {
    if (!found) return std::move(found).error();
    if (found->kind == Kind::kNone) return {};
    if (wish.kind != Kind::kNone) {
      return bad_field(key, fmt::format("only one of {} and {} can be asked for", wished_by, key));
    }
    wish = std::move(*found);
    wished_by = key;
    return {};
  };
  if (fields.find("response_format") != nullptr) {
    AGLM_TRY(add(response_format(fields), "response_format"));
  }
  for (const WishField& field : kGuided) {
    const json::value* value = fields.find(field.name);
    if (value == nullptr || says_nothing(*value)) continue;
    AGLM_TRY(add(wish_of(field.kind, *value, field.name), std::string(field.name)));
  }
  const Style older = AGLM_TRY(read_style(fields, "guided_decoding_", "guided_"));
  if (fields.find("structured_outputs") == nullptr) {
    apply_style(older, wish);
    return wish;
  }
  const json::Fields structured = AGLM_TRY(required_object(fields, "structured_outputs"));
  for (const WishField& field : kStructured) {
    const json::value* value = structured.find(field.name);
    if (value == nullptr || says_nothing(*value)) continue;
    AGLM_TRY(add(wish_of(field.kind, *value, "structured_outputs"),
                 fmt::format("structured_outputs.{}", field.name)));
  }
  AGLM_TRY(check_known(structured));
  const Style style = AGLM_TRY(read_style(structured, "", ""));
  if (style.any && wish.kind == StructuredOutput::Kind::kNone) {
    return bad_field("structured_outputs", "says how the answer is written, but not what it is",
                     "one of json, regex, choice, grammar, json_object, structural_tag");
  }
  apply_style(older, wish);
  apply_style(style, wish);
  return wish;
}

}  // namespace autoglm::serve
