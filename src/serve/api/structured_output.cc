#include "serve/api/structured_output.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

#include "serve/api/errors.h"
#include "serve/api/fields.h"
#include "serve/api/json_text.h"

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
                   printable_utf8(type.substr(0, 64)));
}

}  // namespace

Result<StructuredOutput> read_structured_output(const json::Fields& fields) {
  StructuredOutput wish;
  const auto add = [&](Result<StructuredOutput> found) -> Result<void> {
    if (!found) return std::move(found).error();
    if (found->kind == Kind::kNone) return {};
    if (wish.kind != Kind::kNone) {
      return bad_field(found->field, fmt::format("only one of {} and {} can be asked for",
                                                 wish.field, found->field));
    }
    wish = std::move(*found);
    return {};
  };
  if (fields.find("response_format") != nullptr) AGLM_TRY(add(response_format(fields)));
  for (const WishField& field : kGuided) {
    const json::value* value = fields.find(field.name);
    if (value == nullptr || says_nothing(*value)) continue;
    AGLM_TRY(add(wish_of(field.kind, *value, field.name)));
  }
  if (fields.find("structured_outputs") == nullptr) return wish;
  const json::Fields structured = AGLM_TRY(required_object(fields, "structured_outputs"));
  for (const WishField& field : kStructured) {
    const json::value* value = structured.find(field.name);
    if (value == nullptr || says_nothing(*value)) continue;
    AGLM_TRY(add(wish_of(field.kind, *value, "structured_outputs")));
  }
  return wish;
}

}  // namespace autoglm::serve
