#include "text/grammar/schema_compiler.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "text/grammar/json_schema.h"
#include "text/grammar/schema_negation.h"

namespace autoglm::grammar {
namespace {

// Each of a conjunction is looked through for every keyword.
constexpr size_t kStepsOfSchema = 100;

struct TypeName {
  std::string_view name;
  unsigned bits;
};
constexpr std::array<TypeName, 7> kTypeNames = {{{"null", kNull},
                                                 {"boolean", kBoolean},
                                                 {"integer", kInteger},
                                                 {"number", kInteger | kFraction},
                                                 {"string", kString},
                                                 {"array", kArray},
                                                 {"object", kObject}}};

// Keywords that constrain values of some types, and are not offered.
struct Refused {
  std::string_view keyword;
  unsigned types;
};
constexpr std::array<Refused, 8> kRefused = {{{"contains", kArray},
                                              {"$dynamicRef", kAllTypes},
                                              {"$recursiveRef", kAllTypes},
                                              {"extends", kAllTypes},
                                              {"disallow", kAllTypes},
                                              {"divisibleBy", kInteger | kFraction},
                                              {"minContains", 0},
                                              {"maxContains", 0}}};

bool is_in(const Schemas& list, Schema schema) {
  return std::find(list.begin(), list.end(), schema) != list.end();
}

void add_unique(Schemas& list, Schema schema) {
  if (!is_in(list, schema)) list.push_back(schema);
}

const json::value* keyword(Schema schema, std::string_view name) {
  return schema->is_object() ? schema->get_object().if_contains(name) : nullptr;
}

}  // namespace

Result<int32_t> SchemaCompiler::run(Schema root) {
  const int32_t rule = AGLM_TRY(rule_of(Schemas{root}));
  while (!pending_.empty()) {
    const auto [conjunction, which] = std::move(pending_.front());
    pending_.pop_front();
    AGLM_TRY(build(conjunction, which));
    if (builder_.failed()) break;
  }
  return rule;
}

Result<int32_t> SchemaCompiler::rule_of(Schemas schemas) {
  Conjunction c{.schemas = std::move(schemas)};
  if (c.schemas.size() == 1) c.origin = c.schemas[0];
  return rule_of(std::move(c));
}

Result<int32_t> SchemaCompiler::rule_of(Conjunction c) {
  // True says nothing.
  std::erase_if(c.schemas, [](Schema s) {
    return (s->is_bool() && s->get_bool()) || (s->is_object() && s->get_object().empty());
  });
  if (c.schemas.empty()) return prelude_.value;
  AGLM_TRY(spend(kStepsOfSchema * (c.schemas.size() + c.chosen.size() + 1)));
  auto key = std::pair(c.schemas, std::pair(c.chosen, c.origin));
  std::sort(key.first.begin(), key.first.end());
  std::sort(key.second.first.begin(), key.second.first.end());
  const auto found = rules_.find(key);
  if (found != rules_.end()) return found->second;
  if (rules_.size() >= kMaxRules) {
    return index_.error(
        *c.schemas[0], "", ErrorCode::kTooLarge,
        fmt::format("the schema's combinations come to more than {} rules", kMaxRules));
  }
  const int32_t rule = builder_.add_rule(index_.pointer(*c.schemas[0]));
  rules_.emplace(std::move(key), rule);
  pending_.emplace_back(std::move(c), rule);
  return rule;
}

Schema SchemaCompiler::made(json::value schema, Schema like) {
  made_.push_back(std::move(schema));
  index_.add_made(made_.back(), *like);
  return &made_.back();
}

// Follows $ref and allOf, and writes some keywords as others that say the same.
Result<SchemaCompiler::Expanded> SchemaCompiler::expand(const Schemas& schemas) {
  Schemas found;
  for (const Schema schema : schemas) add_unique(found, schema);
  Expanded all;
  for (size_t i = 0; i < found.size(); ++i) {
    const Schema schema = found[i];
    AGLM_TRY(spend(kStepsOfSchema + found.size()));
    if (schema->is_bool()) {
      all.never |= !schema->get_bool();
      continue;
    }
    if (!schema->is_object()) {
      return index_.invalid(*schema, "", "a schema is an object, true or false");
    }
    if (const json::value* ref = keyword(schema, "$ref")) {
      if (!ref->is_string()) return index_.invalid(*schema, "$ref", "must be a string");
      add_unique(found, AGLM_TRY(index_.resolve(*schema, std::string_view(ref->get_string()))));
      if (index_.legacy()) continue;  // its siblings mean nothing
    }
    all.schemas.push_back(schema);
    if (const json::value* list = keyword(schema, "allOf")) {
      if (list->is_array()) AGLM_TRY(spend(list->get_array().size() * found.size()));
      if (!list->is_array() || list->get_array().empty()) {
        return index_.invalid(*schema, "allOf", "must be a list of schemas");
      }
      for (const json::value& part : list->get_array()) add_unique(found, &part);
    }
    AGLM_TRY(add_implied(schema, found));
    if (found.size() > kMaxRules) {
      return index_.error(*schema, "allOf", ErrorCode::kTooLarge, "too many schemas");
    }
  }
  return all;
}

Result<void> SchemaCompiler::add_implied(Schema schema, Schemas& found) {
  if (const json::value* what = keyword(schema, "not")) {
    add_unique(found, AGLM_TRY(negated(schema, "not", *what)));
  }
  for (const std::string_view name : {"dependentRequired", "dependencies"}) {
    const json::value* dependencies = keyword(schema, name);
    if (dependencies == nullptr) continue;
    if (!dependencies->is_object()) return index_.invalid(*schema, name, "must be an object");
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
          index_.add_made(branch, *schema);
          for (const auto& part : branch.as_object()) index_.add_made(part.value(), *schema);
        }
      }
      add_unique(found, known);
    }
  }
  return {};
}

Result<Schema> SchemaCompiler::negated(Schema schema, std::string_view name,
                                       const json::value& what) {
  Schema& known = implied_[{schema, " " + std::string(name)}];
  if (known == nullptr) {
    known = made(AGLM_TRY(negation(what, index_)), schema);
    note_negation(*known, *schema);
  }
  return known;
}

Result<void> SchemaCompiler::refuse_negations(const Expanded& all, Schema origin,
                                              std::string_view name) const {
  if (keyword(origin, name) == nullptr) return {};
  for (const Schema schema : all.schemas) {
    if (!negations_.contains(schema)) continue;
    for (const std::string_view members :
         {"properties", "patternProperties", "additionalProperties", "items", "prefixItems",
          "contains"}) {
      if (keyword(schema, members) == nullptr) continue;
      return index_.unsupported(*origin, name, "beside negated members");
    }
  }
  return {};
}

// Of a negation's parts errors speak as of the schema, and none of them evaluates properties.
void SchemaCompiler::note_negation(const json::value& part, const json::value& schema) {
  index_.add_made(part, schema);
  if (part.is_object()) {
    negations_.insert(&part);
    for (const auto& member : part.get_object()) note_negation(member.value(), schema);
  } else if (part.is_array()) {
    for (const json::value& item : part.get_array()) note_negation(item, schema);
  }
}

Result<std::optional<SchemaCompiler::Disjunction>> SchemaCompiler::next_disjunction(
    const Expanded& all, const Schemas& chosen) {
  for (const Schema schema : all.schemas) {
    for (const std::string_view name : {"anyOf", "oneOf"}) {
      const json::value* branches = keyword(schema, name);
      if (branches == nullptr || is_in(chosen, branches)) continue;
      if (!branches->is_array() || branches->get_array().empty()) {
        return index_.invalid(*schema, name, "must be a list of schemas");
      }
      Disjunction which{schema, branches, name == "oneOf", {}};
      for (const json::value& branch : branches->get_array()) which.branches.push_back({&branch});
      return std::optional(std::move(which));
    }
    if (auto which = AGLM_TRY(next_condition(schema, chosen))) return which;
  }
  return std::optional<Disjunction>();
}

Result<std::optional<SchemaCompiler::Disjunction>> SchemaCompiler::next_condition(
    Schema schema, const Schemas& chosen) {
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
    if (!dependencies->is_object()) return index_.invalid(*schema, name, "must be an object");
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

Result<void> SchemaCompiler::build(const Conjunction& c, int32_t rule) {
  const Expanded all = AGLM_TRY(expand(c.schemas));
  if (all.never) return {};
  if (const auto which = AGLM_TRY(next_disjunction(all, c.chosen))) {
    return build_disjunction(*which, c, rule);
  }
  return build_value(all, c, rule);
}

Result<void> SchemaCompiler::build_disjunction(const Disjunction& which, const Conjunction& c,
                                               int32_t rule) {
  const auto with = [&](const Schemas& branch) {
    Conjunction wider = c;
    for (const Schema part : branch) add_unique(wider.schemas, part);
    wider.chosen.push_back(which.keyword);
    return wider;
  };
  // Alternatives that may hold at once: with each the others must not.
  std::vector<Schemas> branches = which.branches;
  for (size_t i = 0; which.exactly_one && i < branches.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const Schemas &first = which.branches[j], &second = which.branches[i];
      AGLM_TRY(spend(kStepsOfSchema * (c.schemas.size() + c.chosen.size() + 4)));
      if (AGLM_TRY(disjoint(with(first).schemas, with(second).schemas, 0))) continue;
      const auto not_first = negated(which.schema, fmt::format("oneOf {}", j), *first[0]);
      const auto not_second = negated(which.schema, fmt::format("oneOf {}", i), *second[0]);
      if (!not_first || !not_second) {
        return index_.unsupported(
            *which.schema, "oneOf",
            fmt::format("alternatives {} and {} are not known to exclude each other", j, i));
      }
      branches[i].push_back(*not_first);
      branches[j].push_back(*not_second);
    }
  }
  for (const Schemas& branch : branches) {
    const int32_t called = AGLM_TRY(rule_of(with(branch)));
    builder_.call(builder_.begin(rule), called, builder_.end(rule));
  }
  return {};
}

Result<unsigned> SchemaCompiler::types(const Expanded& all) const {
  unsigned bits = kAllTypes;
  for (const auto& [schema, type] : having(all, "type")) {
    unsigned own = 0;
    const auto add = [&](const json::value& name) {
      const auto found = std::find_if(kTypeNames.begin(), kTypeNames.end(), [&](const TypeName& t) {
        return name.is_string() && name.get_string() == t.name;
      });
      if (found == kTypeNames.end()) return false;
      own |= found->bits;
      return true;
    };
    bool good = true;
    if (type.is_array()) {
      good = !type.get_array().empty();
      for (const json::value& name : type.get_array()) good &= add(name);
    } else {
      good = add(type);
    }
    if (!good) {
      return index_.invalid(*schema, "type",
                            "must be null, boolean, integer, number, string, array, object or a "
                            "list of these");
    }
    bits &= own;
  }
  for (const json::value* value : none_of(all)) {
    if (value->is_null()) bits &= ~static_cast<unsigned>(kNull);
  }
  return bits;
}

Result<void> SchemaCompiler::refuse_unknown(const Expanded& all, unsigned types,
                                            Schema origin) const {
  for (const Refused& refused : kRefused) {
    if ((types & refused.types) == 0) continue;
    for (const auto& [schema, value] : having(all, refused.keyword)) {
      return index_.unsupported(*schema, refused.keyword, "not supported");
    }
  }
  // Before 2019-09 these were meant to be checked.
  for (const std::string_view name : {"contentEncoding", "contentMediaType"}) {
    if (!index_.legacy() || (types & kString) == 0) continue;
    for (const auto& [schema, value] : having(all, name)) {
      return index_.unsupported(*schema, name, "not supported");
    }
  }
  for (const auto& [name, bit] :
       {std::pair{"unevaluatedProperties", kObject}, std::pair{"unevaluatedItems", kArray}}) {
    if ((types & bit) == 0) continue;
    for (const auto& [schema, value] : having(all, name)) {
      if (schema == origin || (value.is_bool() && value.get_bool())) continue;
      return index_.unsupported(*schema, name, "supported only beside the schemas it looks into");
    }
  }
  return {};
}

Result<void> SchemaCompiler::build_value(const Expanded& all, const Conjunction& c, int32_t rule) {
  const unsigned bits = AGLM_TRY(types(all));
  if (const auto listed = AGLM_TRY(values(all))) return build_values(*listed, all, bits, rule);
  // Older drafts pass over what stands beside a $ref.
  const Schema origin = is_in(all.schemas, c.origin) ? c.origin : nullptr;
  AGLM_TRY(refuse_unknown(all, bits, origin));
  const int32_t begin = builder_.begin(rule), end = builder_.end(rule);
  if ((bits & kNull) != 0) builder_.text(begin, "null", end);
  if ((bits & kBoolean) != 0) {
    const auto none = none_of(all);
    for (const bool truth : {true, false}) {
      const json::value value(truth);
      if (is_one_of(value, none)) continue;
      builder_.text(begin, truth ? "true" : "false", end);
    }
  }
  if ((bits & kInteger) != 0) AGLM_TRY(build_number(all, bits, rule));
  if ((bits & kString) != 0) AGLM_TRY(build_string(all, rule));
  if ((bits & kArray) != 0) AGLM_TRY(build_array(all, origin, rule));
  if ((bits & kObject) != 0) AGLM_TRY(build_object(all, origin, rule));
  return {};
}

std::vector<SchemaCompiler::Keyword> SchemaCompiler::having(const Expanded& all,
                                                            std::string_view name) {
  std::vector<Keyword> found;
  for (const Schema schema : all.schemas) {
    const json::value* value = keyword(schema, name);
    if (value != nullptr) found.push_back({schema, *value});
  }
  return found;
}

Result<std::optional<int64_t>> SchemaCompiler::count(Schema schema, std::string_view name) const {
  const json::value* found = keyword(schema, name);
  if (found == nullptr) return std::optional<int64_t>();
  double number = -1;
  if (found->is_int64()) number = static_cast<double>(found->get_int64());
  if (found->is_uint64()) number = static_cast<double>(found->get_uint64());
  if (found->is_double()) number = found->get_double();
  if (number < 0 || number != std::floor(number)) {
    return index_.invalid(*schema, name, "must be a whole number, at least 0");
  }
  // What is larger is as good as no bound; as a lower bound it passes the builder's limit.
  return std::optional<int64_t>(static_cast<int64_t>(std::min(number, 1e15)));
}

Result<int32_t> build_json_schema(GrammarBuilder& builder, const JsonPrelude& prelude,
                                  const json::value& schema, std::string_view where) {
  SchemaIndex index = AGLM_TRY(SchemaIndex::of(schema, where));
  return SchemaCompiler(builder, prelude, index, where).run(&schema);
}

}  // namespace autoglm::grammar
