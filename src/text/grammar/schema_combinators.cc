// Keywords that combine schemas: "$ref" and "allOf", which add schemas to a conjunction; "anyOf",
// "oneOf", "if" and schemas that depend on a property, which give it branches; "not" and required
// properties that depend on one, which are written as other keywords that say the same. Where a
// reference leads is known by schema_index.h, what a negation says by schema_negation.h.
#include "text/grammar/schema_combinators.h"

#include <string>

#include "text/grammar/schema_negation.h"

namespace autoglm::grammar {
namespace {

// Values and members that a schema's keywords hold.
size_t n_entries(const json::object& schema) {
  size_t n = 0;
  for (const auto& member : schema) {
    if (member.value().is_array()) n += member.value().get_array().size();
    if (member.value().is_object()) n += member.value().get_object().size();
  }
  return n;
}

}  // namespace

Schema SchemaCombinators::made(json::value schema, Schema like) {
  made_.push_back(std::move(schema));
  context_.index.add_made(made_.back(), *like);
  return &made_.back();
}

Result<Expanded> SchemaCombinators::expand(const Schemas& schemas) {
  Schemas found;
  for (const Schema schema : schemas) add_unique(found, schema);
  Expanded all;
  for (size_t i = 0; i < found.size(); ++i) {
    const Schema schema = found[i];
    AGLM_TRY(context_.spend(kStepsOfSchema + found.size()));
    if (schema->is_bool()) {
      all.never |= !schema->get_bool();
      continue;
    }
    if (!schema->is_object()) {
      return context_.index.invalid(*schema, "", "a schema is an object, true or false");
    }
    if (const json::value* ref = keyword(schema, "$ref")) {
      if (!ref->is_string()) return context_.index.invalid(*schema, "$ref", "must be a string");
      add_unique(found,
                 AGLM_TRY(context_.index.resolve(*schema, std::string_view(ref->get_string()))));
      if (context_.index.legacy()) continue;  // its siblings mean nothing
    }
    all.schemas.push_back(schema);
    // What a few entries cost is in kStepsOfSchema.
    const size_t entries = kStepsOfEntry * n_entries(schema->get_object());
    if (entries > kStepsOfSchema) AGLM_TRY(context_.spend(entries - kStepsOfSchema));
    if (const json::value* list = keyword(schema, "allOf")) {
      if (list->is_array()) AGLM_TRY(context_.spend(list->get_array().size() * found.size()));
      if (!list->is_array() || list->get_array().empty()) {
        return context_.index.invalid(*schema, "allOf", "must be a list of schemas");
      }
      for (const json::value& part : list->get_array()) add_unique(found, &part);
    }
    AGLM_TRY(add_implied(schema, found));
    if (found.size() > kMaxRules) {
      return context_.index.error(*schema, "allOf", ErrorCode::kTooLarge, "too many schemas");
    }
  }
  return all;
}

Result<void> SchemaCombinators::add_implied(Schema schema, Schemas& found) {
  if (const json::value* what = keyword(schema, "not")) {
    add_unique(found, AGLM_TRY(negated(schema, "not", *what)));
  }
  for (const std::string_view name : {"dependentRequired", "dependencies"}) {
    const json::value* dependencies = keyword(schema, name);
    if (dependencies == nullptr) continue;
    if (!dependencies->is_object())
      return context_.index.invalid(*schema, name, "must be an object");
    for (const auto& member : dependencies->get_object()) {
      if (!member.value().is_array()) continue;  // a schema: next_disjunction()
      // Either the property is absent, or the others are present.
      Schema& known = implied_[{schema, std::string(member.key())}];
      if (known == nullptr) {
        if (member.value().get_array().empty()) continue;
        json::array required = member.value().get_array();
        required.push_back(json::value(member.key()));
        known = made({{"anyOf", json::array{json::object{{"properties", {{member.key(), false}}}},
                                            json::object{{"required", std::move(required)}}}}},
                     schema);
        for (const json::value& branch : known->at("anyOf").as_array()) {
          context_.index.add_made(branch, *schema);
          for (const auto& part : branch.as_object())
            context_.index.add_made(part.value(), *schema);
        }
      }
      add_unique(found, known);
    }
  }
  return {};
}

Result<Schema> SchemaCombinators::negated(Schema schema, std::string_view name,
                                          const json::value& what) {
  Schema& known = implied_[{schema, " " + std::string(name)}];
  if (known == nullptr) {
    known = made(AGLM_TRY(negation(what, context_.index)), schema);
    note_negation(*known, *schema);
  }
  return known;
}

// Of a negation's parts errors speak as of the schema, and none of them evaluates properties.
void SchemaCombinators::note_negation(const json::value& part, const json::value& schema) {
  context_.index.add_made(part, schema);
  if (part.is_object()) {
    negations_.insert(&part);
    for (const auto& member : part.get_object()) note_negation(member.value(), schema);
  } else if (part.is_array()) {
    for (const json::value& item : part.get_array()) note_negation(item, schema);
  }
}

Result<void> SchemaCombinators::refuse_negations(const Expanded& all, std::string_view name) const {
  if (keyword(all.origin, name) == nullptr) return {};
  for (const Schema schema : all.schemas) {
    if (!negations_.contains(schema)) continue;
    for (const std::string_view members :
         {"properties", "patternProperties", "additionalProperties", "items", "prefixItems",
          "contains"}) {
      if (keyword(schema, members) == nullptr) continue;
      return context_.index.unsupported(*all.origin, name, "beside negated members");
    }
  }
  return {};
}

Result<std::optional<Disjunction>> SchemaCombinators::next_disjunction(const Expanded& all,
                                                                       const Schemas& chosen) {
  for (const Schema schema : all.schemas) {
    for (const std::string_view name : {"anyOf", "oneOf"}) {
      const json::value* branches = keyword(schema, name);
      if (branches == nullptr || is_in(chosen, branches)) continue;
      if (!branches->is_array() || branches->get_array().empty()) {
        return context_.index.invalid(*schema, name, "must be a list of schemas");
      }
      Disjunction which{schema, branches, name == "oneOf", {}};
      for (const json::value& branch : branches->get_array()) which.branches.push_back({&branch});
      return std::optional(std::move(which));
    }
    if (auto which = AGLM_TRY(next_condition(schema, chosen))) return which;
  }
  return std::optional<Disjunction>();
}

Result<std::optional<Disjunction>> SchemaCombinators::next_condition(Schema schema,
                                                                     const Schemas& chosen) {
  const json::value* condition = keyword(schema, "if");
  const json::value *then = keyword(schema, "then"), *otherwise = keyword(schema, "else");
  const bool says_something = condition != nullptr && (then != nullptr || otherwise != nullptr);
  if (says_something && !is_in(chosen, condition)) {
    Schemas met{condition}, missed{AGLM_TRY(negated(schema, "if", *condition))};
    if (then != nullptr) met.push_back(then);
    if (otherwise != nullptr) missed.push_back(otherwise);
    return std::optional(
        Disjunction{schema, condition, false, {std::move(met), std::move(missed)}});
  }
  for (const std::string_view name : {"dependentSchemas", "dependencies"}) {
    const json::value* dependencies = keyword(schema, name);
    if (dependencies == nullptr) continue;
    if (!dependencies->is_object())
      return context_.index.invalid(*schema, name, "must be an object");
    for (const auto& member : dependencies->get_object()) {
      if (member.value().is_array() || is_in(chosen, &member.value())) continue;
      // Either the property is absent, or it is there and the schema holds.
      const std::string key = std::string(name) + " " + std::string(member.key());
      Schema &absent = implied_[{schema, key}], &present = implied_[{schema, key + " there"}];
      if (absent == nullptr) {
        absent = made(json::object{{"properties", json::object{{member.key(), false}}}}, schema);
        present = made(
            json::object{{"type", "object"}, {"required", json::array{json::value(member.key())}}},
            schema);
      }
      return std::optional(
          Disjunction{schema, &member.value(), false, {{absent}, {present, &member.value()}}});
    }
  }
  return std::optional<Disjunction>();
}

}  // namespace autoglm::grammar
