// Arrays: "prefixItems" (or the older "items" with a list), "items", "minItems", "maxItems";
// "uniqueItems" where there is at most one item.
#include <algorithm>
#include <utility>

#include "text/grammar/schema_compiler.h"

namespace autoglm::grammar {

Result<void> SchemaCompiler::build_array(const Expanded& all, Schema origin, int32_t rule) {
  const Lengths bounds = AGLM_TRY(lengths(all, "minItems", "maxItems"));
  for (const auto& [schema, value] : having(all, "uniqueItems")) {
    const bool wanted = value.is_bool() && value.get_bool();
    if (!wanted || (bounds.most >= 0 && bounds.most <= 1)) continue;
    return index_.unsupported(*schema, "uniqueItems", "supported only with maxItems 0 or 1");
  }
  // Of each schema, the list for the first items, and what holds for those after it.
  struct Items {
    const json::array* prefix = nullptr;
    Schema rest = nullptr;
  };
  std::vector<Items> parts;
  size_t longest = 0;
  bool evaluates_all = false;
  for (const Schema schema : all.schemas) {
    const json::object& object = schema->get_object();
    Items own;
    const json::value* prefix = object.if_contains("prefixItems");
    const json::value* items = object.if_contains("items");
    if (items != nullptr && items->is_array()) {
      prefix = items;
      items = object.if_contains("additionalItems");
    }
    if (prefix != nullptr) {
      if (!prefix->is_array()) {
        return index_.invalid(*schema, "prefixItems", "must be a list of schemas");
      }
      own.prefix = &prefix->get_array();
      longest = std::max(longest, own.prefix->size());
    }
    own.rest = items;
    evaluates_all |= items != nullptr;
    if (own.prefix != nullptr || own.rest != nullptr) parts.push_back(own);
  }
  if (origin != nullptr && !evaluates_all) {
    parts.push_back({.rest = origin->get_object().if_contains("unevaluatedItems")});
    AGLM_TRY(refuse_negations(all, origin, "unevaluatedItems"));
    // It is about the items that none of the lists is about.
    if (parts.back().rest == nullptr) parts.pop_back();
  }
  const bool has_unevaluated =
      origin != nullptr && !evaluates_all && !parts.empty() && parts.back().prefix == nullptr;
  const auto item = [&](size_t i) -> Result<int32_t> {
    Schemas schemas;
    for (const Items& own : parts) {
      const bool in_prefix = own.prefix != nullptr && i < own.prefix->size();
      const bool is_unevaluated = has_unevaluated && &own == &parts.back();
      if (in_prefix) {
        schemas.push_back(&(*own.prefix)[i]);
      } else if (own.rest != nullptr && (!is_unevaluated || i >= longest)) {
        schemas.push_back(own.rest);
      }
    }
    return rule_of(std::move(schemas));
  };
  const int32_t begin = builder_.begin(rule), end = builder_.end(rule);
  if (parts.empty() && bounds.least == 0 && bounds.most < 0) {
    builder_.call(begin, prelude_.array, end);
    return {};
  }

  const auto next_node = [&] { return builder_.add_node(rule); };
  int32_t open = next_node();
  builder_.text(begin, "[", open);
  int32_t at = next_node();  // after so many items, and white space
  space(open, at);
  const int32_t close = next_node();
  builder_.text(close, "]", end);
  const auto may_end = [&](int64_t n) {
    if (n >= bounds.least) builder_.empty(at, close);
  };
  const auto most = [&](int64_t n) { return bounds.most < 0 ? n : std::min(n, bounds.most); };
  // One item by itself where there is no list: it has no comma before it.
  const int64_t n_single = most(std::max<int64_t>(static_cast<int64_t>(longest), 1));
  may_end(0);
  for (int64_t n = 0; n < n_single; ++n) {
    const int32_t value = AGLM_TRY(item(static_cast<size_t>(n)));
    int32_t from = at;
    if (n > 0) {
      const int32_t comma = next_node();
      builder_.text(at, ",", comma);
      from = next_node();
      gap(comma, from);
    }
    const int32_t after = next_node();
    builder_.call(from, value, after);
    at = next_node();
    space(after, at);
    may_end(n + 1);
  }
  if (bounds.most >= 0 && n_single >= bounds.most) return {};
  const int32_t more = builder_.add_rule("");
  const int32_t value = AGLM_TRY(item(std::max<size_t>(longest, 1)));
  const int32_t comma = builder_.add_node(more), from = builder_.add_node(more),
                after = builder_.add_node(more);
  builder_.text(builder_.begin(more), ",", comma);
  gap(comma, from);
  builder_.call(from, value, after);
  space(after, builder_.end(more));
  const int64_t least = std::max<int64_t>(bounds.least - n_single, 0);
  if (least == 0 && bounds.most < 0) {
    const int32_t loop = next_node();
    builder_.empty(at, loop);
    builder_.call(loop, more, loop);
    builder_.empty(loop, close);
    return {};
  }
  builder_.repeated_rule(at, more, static_cast<int32_t>(least),
                         bounds.most < 0 ? -1 : static_cast<int32_t>(bounds.most - n_single),
                         close);
  return {};
}

}  // namespace autoglm::grammar
