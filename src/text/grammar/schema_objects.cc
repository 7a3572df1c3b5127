// Objects: declared properties in their order, each required or not, then others, if any may be.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "text/grammar/schema_object_rules.h"

namespace autoglm::grammar {

Result<SchemaCompiler::ObjectRules> SchemaCompiler::object_rules(const Expanded& all,
                                                                 Schema origin) {
  ObjectRules rules;
  rules.bounds = AGLM_TRY(lengths(all, "minProperties", "maxProperties"));
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
        return index_.invalid(*schema, "properties", "must be an object");
      }
      own.properties = &properties->get_object();
      for (const auto& property : *own.properties) note(property.key());
    }
    if (const json::value* patterns = object.if_contains("patternProperties")) {
      if (!patterns->is_object()) {
        return index_.invalid(*schema, "patternProperties", "must be an object");
      }
      for (const auto& member : patterns->get_object()) {
        const size_t which = AGLM_TRY(pattern_number(rules, schema, member.key()));
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
  if (origin != nullptr && !evaluates_all) {
    rules.unevaluated = origin->get_object().if_contains("unevaluatedProperties");
    AGLM_TRY(refuse_negations(all, origin, "unevaluatedProperties"));
  }
  for (const auto& [schema, value] : having(all, "required")) {
    // Draft 3 said it of the property itself.
    if (value.is_bool()) continue;
    if (!value.is_array()) return index_.invalid(*schema, "required", "must be a list of names");
    for (const json::value& name : value.get_array()) {
      if (!name.is_string()) return index_.invalid(*schema, "required", "must be a list of names");
      note(std::string_view(name.get_string()));
      rules.required.emplace(name.get_string());
    }
  }
  return rules;
}

Result<void> SchemaCompiler::build_object(const Expanded& all, Schema origin, int32_t rule) {
  ObjectRules rules = AGLM_TRY(object_rules(all, origin));
  const bool anything = rules.keywords.empty() && rules.names.empty() &&
                        rules.key_schemas.empty() && rules.unevaluated == nullptr &&
                        rules.bounds.least == 0 && rules.bounds.most < 0;
  if (anything) {
    builder_.call(builder_.begin(rule), prelude_.object, builder_.end(rule));
    return {};
  }
  if (!rules.key_schemas.empty()) {
    const Expanded keys = AGLM_TRY(expand(rules.key_schemas));
    if (AGLM_TRY(next_disjunction(keys, {}))) {
      return index_.unsupported(*all.schemas[0], "propertyNames", "with alternatives");
    }
    AGLM_TRY(refuse_unknown(keys, kString, nullptr));
    const unsigned bits = AGLM_TRY(types(keys));
    rules.no_keys = keys.never || (bits & kString) == 0;
    rules.keys = AGLM_TRY(string_language(keys, true));
  }
  return build_members(rules, rule, *all.schemas[0]);
}

// After a key: its colon, its value and the white space after it.
void SchemaCompiler::member(int32_t key_end, int32_t value, int32_t to) {
  const int32_t rule = builder_.rule_of(key_end);
  const int32_t colon = builder_.add_node(rule), before = builder_.add_node(rule),
                start = builder_.add_node(rule), after = builder_.add_node(rule);
  space(key_end, colon);
  builder_.text(colon, ":", before);
  gap(before, start);
  builder_.call(start, value, after);
  space(after, to);
}

// Nodes by how many declared properties stand before, and how many members there are (as far as
// bounds make that matter): at the beginning without a member before, then behind a member, where
// a comma or the end comes.
Result<void> SchemaCompiler::build_members(const ObjectRules& rules, int32_t rule,
                                           const json::value& schema) {
  struct Property {
    std::string name;
    int32_t value = 0;
    bool required = false;
  };
  std::vector<Property> properties;
  for (const std::string& name : rules.names) {
    const bool required = rules.required.contains(name);
    const bool key_allowed = !rules.no_keys && (!rules.keys || rules.keys->matches(name));
    if (!key_allowed) {
      if (required) return {};  // nothing can satisfy it
      continue;
    }
    Schemas schemas = AGLM_TRY(schemas_of_key(rules, name));
    const bool never = std::any_of(schemas.begin(), schemas.end(),
                                   [](Schema s) { return s->is_bool() && !s->get_bool(); });
    if (never && required) return {};
    if (never) continue;
    const int32_t value = AGLM_TRY(rule_of(std::move(schemas)));
    properties.push_back({name, value, required});
  }
  const std::vector<KeyClass> others = AGLM_TRY(free_keys(rules));
  const auto n = static_cast<int64_t>(properties.size());
  const auto n_required = static_cast<int64_t>(rules.required.size());
  int64_t least = rules.bounds.least, most = rules.bounds.most;
  if (least <= n_required) least = 0;
  if (others.empty() && most >= n) most = -1;
  if (!others.empty() && least > n + 1) {
    return index_.unsupported(schema, "minProperties",
                              "larger than the number of declared properties, and one");
  }
  // Counts above this are alike.
  const int64_t top = std::max(least, most >= 0 ? most + 1 : 0);
  if ((top + 1) * (n + 1) > 100'000) {
    return index_.unsupported(schema, "maxProperties", "too many combinations");
  }
  const auto next_node = [&] { return builder_.add_node(rule); };
  const auto grid = [&] {
    std::vector<std::vector<int32_t>> nodes(static_cast<size_t>(n + 1));
    for (auto& row : nodes) {
      for (int64_t c = 0; c <= top; ++c) row.push_back(next_node());
    }
    return nodes;
  };
  // ready: a key may come; behind: a member was read.
  const std::vector<std::vector<int32_t>> ready = grid(), behind = grid();
  const int32_t open = next_node(), begin = next_node(), close = next_node(), brace = next_node();
  builder_.text(builder_.begin(rule), "{", open);
  gap(open, begin);
  gap_at_end(close, brace);
  builder_.text(brace, "}", builder_.end(rule));
  builder_.empty(begin, ready[0][0]);
  const auto fits = [&](int64_t c) { return most < 0 || c <= most; };
  // No member at all.
  if (n_required == 0 && least <= 0) builder_.empty(begin, brace);
  for (int64_t i = 0; i <= n && !builder_.failed(); ++i) {
    AGLM_TRY(spend(static_cast<size_t>((top + 1) * (n - i + 1))));
    for (int64_t c = 0; c <= top; ++c) {
      const auto row = static_cast<size_t>(i), column = static_cast<size_t>(c);
      const int32_t key = ready[row][column], after = behind[row][column];
      // After a member: a comma, or the end where all that must come has come.
      const int32_t comma = next_node();
      builder_.text(after, ",", comma);
      gap(comma, key);
      const bool all_there = std::none_of(properties.begin() + i, properties.end(),
                                          [](const Property& p) { return p.required; });
      if (all_there && c >= least && fits(c)) builder_.empty(after, close);
      if (i == n) continue;
      const Property& property = properties[row];
      if (!property.required) builder_.empty(key, ready[row + 1][column]);
      const int64_t count = std::min(c + 1, top);
      if (!fits(c + 1)) continue;
      const int32_t quote = next_node(), spelled = next_node(), key_end = next_node();
      builder_.text(key, "\"", quote);
      builder_.expression(quote, *text_of(property.name), spelled, Spelling::kJsonString);
      builder_.text(spelled, "\"", key_end);
      member(key_end, property.value, behind[row + 1][static_cast<size_t>(count)]);
    }
  }
  if (!others.empty() && !builder_.failed()) {
    build_other_members(rules, others, ready.back(), close, least, most);
  }
  return {};
}

}  // namespace autoglm::grammar
