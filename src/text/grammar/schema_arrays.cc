// Arrays: "prefixItems" (or the older "items" with a list), "items", "minItems", "maxItems";
// "unevaluatedItems"; "uniqueItems" where there is at most one item.
#include "text/grammar/schema_arrays.h"

#include <algorithm>
#include <utility>

namespace autoglm::grammar {
namespace {

// Of one schema, the list for the first items, and what holds for those after it.
struct Items {
  const json::array* prefix = nullptr;
  Schema rest = nullptr;
};

struct ItemRules {
  std::vector<Items> items;
  size_t longest = 0;            // of the lists
  Schema unevaluated = nullptr;  // of the items that none of the lists is about

  bool empty() const { return items.empty() && unevaluated == nullptr; }
  Schemas schemas_of(size_t i) const {
    Schemas schemas;
    for (const Items& own : items) {
      if (own.prefix != nullptr && i < own.prefix->size()) {
        schemas.push_back(&(*own.prefix)[i]);
      } else if (own.rest != nullptr) {
        schemas.push_back(own.rest);
      }
    }
    if (unevaluated != nullptr && i >= longest) schemas.push_back(unevaluated);
    return schemas;
  }
};

Result<ItemRules> item_rules(const SchemaContext& context, const SchemaCombinators& combinators,
                             const Expanded& all) {
  ItemRules rules;
  bool evaluates_all = false;
  for (const Schema schema : all.schemas) {
    const json::value* prefix = keyword(schema, "prefixItems");
    const json::value* items = keyword(schema, "items");
    if (items != nullptr && items->is_array()) {
      prefix = items;
      items = keyword(schema, "additionalItems");
    }
    Items own{.rest = items};
    if (prefix != nullptr) {
      if (!prefix->is_array()) {
        return context.index.invalid(*schema, "prefixItems", "must be a list of schemas");
      }
      own.prefix = &prefix->get_array();
      rules.longest = std::max(rules.longest, own.prefix->size());
    }
    evaluates_all |= items != nullptr;
    if (own.prefix != nullptr || own.rest != nullptr) rules.items.push_back(own);
  }
  if (all.origin != nullptr && !evaluates_all) {
    rules.unevaluated = keyword(all.origin, "unevaluatedItems");
    AGLM_TRY(combinators.refuse_negations(all, "unevaluatedItems"));
  }
  return rules;
}

}  // namespace

Result<void> build_array(const SchemaContext& context, const SchemaCombinators& combinators,
                         SchemaRules& rules, const Expanded& all, int32_t rule) {
  GrammarBuilder& builder = context.builder;
  const Lengths bounds = AGLM_TRY(lengths(context, all, "minItems", "maxItems"));
  for (const auto& [schema, value] : having(all, "uniqueItems")) {
    const bool wanted = value.is_bool() && value.get_bool();
    if (!wanted || (bounds.most >= 0 && bounds.most <= 1)) continue;
    return context.index.unsupported(*schema, "uniqueItems", "supported only with maxItems 0 or 1");
  }
  const ItemRules items = AGLM_TRY(item_rules(context, combinators, all));
  const auto item = [&](size_t i) { return rules.rule_of(items.schemas_of(i)); };
  const int32_t begin = builder.begin(rule), end = builder.end(rule);
  if (items.empty() && bounds.least == 0 && bounds.most < 0) {
    builder.call(begin, context.prelude.array, end);
    return {};
  }

  const auto next_node = [&] { return builder.add_node(rule); };
  int32_t open = next_node();
  builder.text(begin, "[", open);
  int32_t at = next_node();  // after so many items, and white space
  context.space(open, at);
  const int32_t close = next_node();
  builder.text(close, "]", end);
  const auto may_end = [&](int64_t n) {
    if (n >= bounds.least) builder.empty(at, close);
  };
  const auto most = [&](int64_t n) { return bounds.most < 0 ? n : std::min(n, bounds.most); };
  // One item by itself where there is no list: it has no comma before it.
  const int64_t n_single = most(std::max<int64_t>(static_cast<int64_t>(items.longest), 1));
  may_end(0);
  for (int64_t n = 0; n < n_single; ++n) {
    const int32_t value = AGLM_TRY(item(static_cast<size_t>(n)));
    int32_t from = at;
    if (n > 0) {
      const int32_t comma = next_node();
      builder.text(at, ",", comma);
      from = next_node();
      context.gap(comma, from);
    }
    const int32_t after = next_node();
    builder.call(from, value, after);
    at = next_node();
    context.space(after, at);
    may_end(n + 1);
  }
  if (bounds.most >= 0 && n_single >= bounds.most) return {};
  const int32_t more = builder.add_rule("");
  const int32_t value = AGLM_TRY(item(std::max<size_t>(items.longest, 1)));
  const int32_t comma = builder.add_node(more), from = builder.add_node(more),
                after = builder.add_node(more);
  builder.text(builder.begin(more), ",", comma);
  context.gap(comma, from);
  builder.call(from, value, after);
  context.space(after, builder.end(more));
  const int64_t least = std::max<int64_t>(bounds.least - n_single, 0);
  if (least == 0 && bounds.most < 0) {
    const int32_t loop = next_node();
    builder.empty(at, loop);
    builder.call(loop, more, loop);
    builder.empty(loop, close);
    return {};
  }
  builder.repeated_rule(at, more, static_cast<int32_t>(least),
                        bounds.most < 0 ? -1 : static_cast<int32_t>(bounds.most - n_single), close);
  return {};
}

}  // namespace autoglm::grammar
