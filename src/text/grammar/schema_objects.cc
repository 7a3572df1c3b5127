// Objects: declared properties in their order, each required or not, then others, if any may be;
// "minProperties", "maxProperties". Which schemas hold for a member is known by
// schema_object_rules.h, which keys there may be by schema_keys.h.
#include "text/grammar/schema_objects.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "text/grammar/schema_keys.h"
#include "text/grammar/schema_object_rules.h"

namespace autoglm::grammar {
namespace {

struct Property {
  std::string name;
  int32_t value = 0;  // the rule of its values
  bool required = false;
};

// The properties that there may be; nothing where one is required that cannot be.
Result<std::optional<std::vector<Property>>> properties_of(SchemaRules& rules,
                                                           const ObjectRules& object,
                                                           const AllowedKeys& allowed) {
  std::vector<Property> properties;
  for (const std::string& name : object.names) {
    const bool required = object.required.contains(name);
    Schemas schemas = schemas_of_key(object, name);
    if (!allowed.contain(name) || allow_nothing(schemas)) {
      if (required) return std::optional<std::vector<Property>>();
      continue;
    }
    const int32_t value = AGLM_TRY(rules.rule_of(std::move(schemas)));
    properties.push_back({name, value, required});
  }
  return std::optional(std::move(properties));
}

// How many members there may be, as far as the grammar has to count them.
struct Counts {
  int64_t n_required = 0;
  int64_t least = 0, most = -1;  // no bound
  int64_t top = 0;               // numbers above this are alike

  bool fit(int64_t n) const { return most < 0 || n <= most; }
};
Result<Counts> counts_of(const SchemaContext& context, const ObjectRules& object,
                         int64_t n_properties, bool has_others, const json::value& schema) {
  Counts counts{.n_required = static_cast<int64_t>(object.required.size()),
                .least = object.bounds.least,
                .most = object.bounds.most};
  if (counts.least <= counts.n_required) counts.least = 0;
  if (!has_others && counts.most >= n_properties) counts.most = -1;
  if (has_others && counts.least > n_properties + 1) {
    return context.index.unsupported(schema, "minProperties",
                                     "larger than the number of declared properties, and one");
  }
  counts.top = std::max(counts.least, counts.most >= 0 ? counts.most + 1 : 0);
  if ((counts.top + 1) * (n_properties + 1) > 100'000) {
    return context.index.unsupported(schema, "maxProperties", "too many combinations");
  }
  return counts;
}

struct Members {
  std::vector<Property> properties;
  std::vector<KeyClass> others;
  Counts counts;
};

// Nodes by how many declared properties stand before, and how many members there are (as far as
// bounds make that matter): at the beginning without a member before, then behind a member, where
// a comma or the end comes.
Result<void> build_members(const SchemaContext& context, const ObjectRules& object,
                           const Members& members, int32_t rule) {
  GrammarBuilder& builder = context.builder;
  const std::vector<Property>& properties = members.properties;
  const std::vector<KeyClass>& others = members.others;
  const Counts& counts = members.counts;
  const auto n = static_cast<int64_t>(properties.size());
  const auto next_node = [&] { return builder.add_node(rule); };
  const auto grid = [&] {
    std::vector<std::vector<int32_t>> nodes(static_cast<size_t>(n + 1));
    for (auto& row : nodes) {
      for (int64_t c = 0; c <= counts.top; ++c) row.push_back(next_node());
    }
    return nodes;
  };
  // ready: a key may come; behind: a member was read.
  const std::vector<std::vector<int32_t>> ready = grid(), behind = grid();
  const int32_t open = next_node(), begin = next_node(), close = next_node(), brace = next_node();
  builder.text(builder.begin(rule), "{", open);
  context.gap(open, begin);
  context.gap_at_end(close, brace);
  builder.text(brace, "}", builder.end(rule));
  builder.empty(begin, ready[0][0]);
  // No member at all.
  if (counts.n_required == 0 && counts.least <= 0) builder.empty(begin, brace);
  for (int64_t i = 0; i <= n && !builder.failed(); ++i) {
    AGLM_TRY(context.spend(static_cast<size_t>((counts.top + 1) * (n - i + 1))));
    for (int64_t c = 0; c <= counts.top; ++c) {
      const auto row = static_cast<size_t>(i), column = static_cast<size_t>(c);
      const int32_t key = ready[row][column], after = behind[row][column];
      // After a member: a comma, or the end where all that must come has come.
      const int32_t comma = next_node();
      builder.text(after, ",", comma);
      context.gap(comma, key);
      const bool all_there = std::none_of(properties.begin() + i, properties.end(),
                                          [](const Property& p) { return p.required; });
      if (all_there && c >= counts.least && counts.fit(c)) builder.empty(after, close);
      if (i == n) continue;
      const Property& property = properties[row];
      if (!property.required) builder.empty(key, ready[row + 1][column]);
      const int64_t next = std::min(c + 1, counts.top);
      if (!counts.fit(c + 1)) continue;
      const int32_t quote = next_node(), spelled = next_node(), key_end = next_node();
      builder.text(key, "\"", quote);
      builder.expression(quote, *text_of(property.name), spelled, Spelling::kJsonString);
      builder.text(spelled, "\"", key_end);
      build_member(context, key_end, property.value, behind[row + 1][static_cast<size_t>(next)]);
    }
  }
  if (!others.empty() && !builder.failed()) {
    build_other_members(context,
                        {object.names, others, ready.back(), close, counts.least, counts.most});
  }
  return {};
}

}  // namespace

Result<void> build_object(const SchemaContext& context, SchemaCombinators& combinators,
                          SchemaRules& rules, const Expanded& all, int32_t rule) {
  const ObjectRules object = AGLM_TRY(object_rules(context, combinators, all));
  if (object.empty()) {
    context.builder.call(context.builder.begin(rule), context.prelude.object,
                         context.builder.end(rule));
    return {};
  }
  const json::value& schema = *all.schemas[0];
  const AllowedKeys allowed = AGLM_TRY(allowed_keys(context, combinators, object, schema));
  auto properties = AGLM_TRY(properties_of(rules, object, allowed));
  if (!properties) return {};
  Members members{.properties = std::move(*properties)};
  members.others = AGLM_TRY(free_keys(context, rules, object, allowed));
  members.counts =
      AGLM_TRY(counts_of(context, object, static_cast<int64_t>(members.properties.size()),
                         !members.others.empty(), schema));
  return build_members(context, object, members, rule);
}

}  // namespace autoglm::grammar
