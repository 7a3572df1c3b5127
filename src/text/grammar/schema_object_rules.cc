#include "text/grammar/schema_object_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/grammar/schema_strings.h"

namespace autoglm::grammar {
namespace {

// Keys are told apart by which of the patterns they match: 2^n kinds.
constexpr size_t kMaxPatterns = 6;
constexpr size_t kStepsOfName = 100;  // it is copied into sets
constexpr size_t kStepsOfKey = 20;    // it is looked up by its hash

Result<size_t> pattern_number(const SchemaContext& context, ObjectRules& rules, Schema schema,
                              std::string_view source) {
  const auto found = std::find(rules.patterns.begin(), rules.patterns.end(), source);
  if (found != rules.patterns.end()) return static_cast<size_t>(found - rules.patterns.begin());
  if (rules.patterns.size() == kMaxPatterns) {
    return context.index.unsupported(*schema, "patternProperties",
                                     fmt::format("more than {} patterns", kMaxPatterns));
  }
  const ExpressionPtr e = AGLM_TRY(parse_pattern(context, schema, "patternProperties", source));
  rules.pattern_keys.push_back(AGLM_TRY(Dfa::of(*e, context.where, context.work())));
  rules.patterns.emplace_back(source);
  return rules.patterns.size() - 1;
}

// `matched`: of each pattern, whether the key matches it.
Schemas schemas_of(const ObjectRules& rules, std::optional<std::string_view> declared,
                   const std::vector<bool>& matched) {
  Schemas schemas;
  bool evaluated = false;
  for (const KeywordsOfObject& own : rules.keywords) {
    bool mentioned = false;
    const json::value* property =
        own.properties != nullptr && declared ? own.properties->if_contains(*declared) : nullptr;
    if (property != nullptr) {
      schemas.push_back(property);
      mentioned = true;
    }
    for (const auto& [which, schema] : own.patterns) {
      if (!matched[which]) continue;
      schemas.push_back(schema);
      mentioned = true;
    }
    if (!mentioned && own.others != nullptr) schemas.push_back(own.others);
    evaluated |= mentioned;
  }
  if (!evaluated && rules.unevaluated != nullptr) schemas.push_back(rules.unevaluated);
  return schemas;
}

}  // namespace

Result<ObjectRules> object_rules(const SchemaContext& context, const SchemaCombinators& combinators,
                                 const Expanded& all) {
  ObjectRules rules;
  rules.bounds = AGLM_TRY(lengths(context, all, "minProperties", "maxProperties"));
  std::set<std::string, std::less<>> noted;
  const auto note = [&](std::string_view name) {
    if (noted.contains(name)) return;
    noted.emplace(name);
    rules.names.emplace_back(name);
  };
  bool evaluates_all = false;
  for (const Schema schema : all.schemas) {
    const json::object& object = schema->get_object();
    KeywordsOfObject own{.schema = schema};
    if (const json::value* properties = object.if_contains("properties")) {
      if (!properties->is_object()) {
        return context.index.invalid(*schema, "properties", "must be an object");
      }
      own.properties = &properties->get_object();
      AGLM_TRY(context.spend(kStepsOfName * own.properties->size()));
      for (const auto& property : *own.properties) note(property.key());
    }
    if (const json::value* patterns = object.if_contains("patternProperties")) {
      if (!patterns->is_object()) {
        return context.index.invalid(*schema, "patternProperties", "must be an object");
      }
      for (const auto& member : patterns->get_object()) {
        const size_t which = AGLM_TRY(pattern_number(context, rules, schema, member.key()));
        own.patterns.emplace_back(which, &member.value());
      }
    }
    own.others = object.if_contains("additionalProperties");
    evaluates_all |= own.others != nullptr;
    if (own.properties != nullptr || !own.patterns.empty() || own.others != nullptr) {
      rules.keywords.push_back(std::move(own));
    }
    if (const json::value* names = object.if_contains("propertyNames")) {
      rules.key_schemas.push_back(names);
    }
  }
  if (all.origin != nullptr && !evaluates_all) {
    rules.unevaluated = keyword(all.origin, "unevaluatedProperties");
    AGLM_TRY(combinators.refuse_negations(all, "unevaluatedProperties"));
  }
  for (const auto& [schema, value] : having(all, "required")) {
    // Draft 3 said it of the property itself.
    if (value.is_bool()) continue;
    if (!value.is_array())
      return context.index.invalid(*schema, "required", "must be a list of names");
    AGLM_TRY(context.spend(kStepsOfName * value.get_array().size()));
    for (const json::value& name : value.get_array()) {
      if (!name.is_string())
        return context.index.invalid(*schema, "required", "must be a list of names");
      note(std::string_view(name.get_string()));
      rules.required.emplace(name.get_string());
    }
  }
  // What holds for a key is asked of each schema and each pattern.
  for (const std::string& name : rules.names) {
    AGLM_TRY(
        context.spend(kStepsOfKey * rules.keywords.size() + name.size() * rules.patterns.size()));
  }
  return rules;
}

Schemas schemas_of_key(const ObjectRules& rules, std::string_view key) {
  std::vector<bool> matched;
  for (const Dfa& keys : rules.pattern_keys) matched.push_back(keys.matches(key));
  return schemas_of(rules, key, matched);
}

Schemas schemas_of_other_key(const ObjectRules& rules, const std::vector<bool>& matched) {
  return schemas_of(rules, std::nullopt, matched);
}

bool allow_nothing(const Schemas& schemas) {
  return std::ranges::any_of(schemas, [](Schema s) { return s->is_bool() && !s->get_bool(); });
}

}  // namespace autoglm::grammar
