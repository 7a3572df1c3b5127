#include "text/grammar/schema_keys.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/utf8.h"
#include "text/grammar/schema_strings.h"
#include "text/grammar/schema_types.h"

namespace autoglm::grammar {

Result<AllowedKeys> allowed_keys(const SchemaContext& context, SchemaCombinators& combinators,
                                 const ObjectRules& object, const json::value& schema) {
  AllowedKeys allowed;
  if (object.key_schemas.empty()) return allowed;
  const Expanded keys = AGLM_TRY(combinators.expand(object.key_schemas));
  if (AGLM_TRY(combinators.next_disjunction(keys, {}))) {
    return context.index.unsupported(schema, "propertyNames", "with alternatives");
  }
  AGLM_TRY(refuse_unknown(context, keys, kString));
  const unsigned bits = AGLM_TRY(types_of(context, keys));
  allowed.none = keys.never || (bits & kString) == 0;
  allowed.language = AGLM_TRY(string_language(context, keys));
  return allowed;
}

Result<std::vector<KeyClass>> free_keys(const SchemaContext& context, SchemaRules& rules,
                                        const ObjectRules& object, const AllowedKeys& allowed) {
  std::vector<KeyClass> classes;
  if (allowed.none) return classes;
  const size_t n = object.patterns.size();
  for (size_t which = 0; which < size_t{1} << n; ++which) {
    std::vector<bool> matched(n);
    for (size_t i = 0; i < n; ++i) matched[i] = (which >> i & 1) != 0;
    Schemas schemas = schemas_of_other_key(object, matched);
    if (allow_nothing(schemas)) continue;
    KeyClass made;
    if (n > 0 || allowed.language) {
      const ExpressionPtr anything = repeat(one_of(CodePointSet::all()), 0, Expression::kUnbounded);
      Dfa keys = AGLM_TRY(Dfa::of(*anything, context.where, context.work()));
      if (allowed.language) keys = *allowed.language;
      for (size_t i = 0; i < n; ++i) {
        auto part =
            matched[i]
                ? Dfa::intersection(keys, object.pattern_keys[i], context.where, context.work())
                : Dfa::difference(keys, object.pattern_keys[i], context.where, context.work());
        keys = AGLM_TRY(std::move(part));
      }
      std::vector<ExpressionPtr> names{one_of({})};
      for (const std::string& name : object.names) names.push_back(text_of(name));
      const Dfa declared =
          AGLM_TRY(Dfa::of(*choice(std::move(names)), context.where, context.work()));
      made.keys = AGLM_TRY(Dfa::difference(keys, declared, context.where, context.work()));
      if (made.keys->empty()) continue;
    }
    made.value = AGLM_TRY(rules.rule_of(std::move(schemas)));
    classes.push_back(std::move(made));
  }
  return classes;
}

void build_member(const SchemaContext& context, int32_t key_end, int32_t value, int32_t to) {
  GrammarBuilder& builder = context.builder;
  const int32_t rule = builder.rule_of(key_end);
  const int32_t colon = builder.add_node(rule), before = builder.add_node(rule),
                start = builder.add_node(rule), after = builder.add_node(rule);
  context.space(key_end, colon);
  builder.text(colon, ":", before);
  context.gap(before, start);
  builder.call(start, value, after);
  context.space(after, to);
}

namespace {

// Any string but the names: a tree of their characters, left at the first that is in none.
void build_other_keys(GrammarBuilder& builder, const std::vector<std::string>& names, int32_t from,
                      int32_t to) {
  struct Branch {
    std::map<char32_t, size_t> next;
    bool is_name = false;
    int32_t node = 0;
  };
  const int32_t rule = builder.rule_of(from);
  std::vector<Branch> tree{{.node = from}};
  for (const std::string& name : names) {
    size_t at = 0;
    for (size_t i = 0; i < name.size();) {
      const Character c = character_at(name, i);
      i += c.length;
      const auto [found, is_new] = tree[at].next.emplace(c.code, tree.size());
      const size_t next = found->second;
      if (is_new) tree.push_back({.node = builder.add_node(rule)});
      at = next;
    }
    tree[at].is_name = true;
  }
  const int32_t free = builder.add_node(rule);
  for (const Branch& branch : tree) {
    if (builder.failed()) return;
    if (!branch.is_name) builder.empty(branch.node, to);
    CodePointSet inside;
    for (const auto& [c, next] : branch.next) {
      inside.add(c, c);
      builder.expression(branch.node, *one_of(CodePointSet::of(c, c)), tree[next].node,
                         Spelling::kJsonString);
    }
    builder.expression(branch.node, *one_of(inside.complement()), free, Spelling::kJsonString);
  }
  builder.expression(free, *one_of(CodePointSet::all()), free, Spelling::kJsonString);
  builder.empty(free, to);
}

}  // namespace

void build_other_members(const SchemaContext& context, const OtherMembers& others) {
  GrammarBuilder& builder = context.builder;
  const auto& [names, classes, ready, close, least, most] = others;
  const int32_t rule = builder.rule_of(close);
  // A key and its value, with the white space after them: a rule, since it comes up at each count.
  const int32_t one = builder.add_rule("");
  for (const KeyClass& keys : classes) {
    const int32_t key_end = builder.add_node(one);
    if (!keys.keys && names.empty()) {
      builder.call(builder.begin(one), context.prelude.string, key_end);
    } else {
      const int32_t open = builder.add_node(one), spelled = builder.add_node(one);
      builder.text(builder.begin(one), "\"", open);
      if (keys.keys) {
        keys.keys->build(builder, open, spelled, Spelling::kJsonString);
      } else {
        build_other_keys(builder, names, open, spelled);
      }
      builder.text(spelled, "\"", key_end);
    }
    build_member(context, key_end, keys.value, builder.end(one));
  }
  const int32_t more = builder.add_rule("");
  const int32_t comma = builder.add_node(more), next = builder.add_node(more);
  builder.text(builder.begin(more), ",", comma);
  context.gap(comma, next);
  builder.call(next, one, builder.end(more));
  if (most < 0) {
    const int32_t behind = builder.add_node(rule);
    builder.call(behind, more, behind);
    builder.empty(behind, close);
    // Other keys may come twice and then count once: one of them counts.
    for (size_t count = 0; count < ready.size(); ++count) {
      if (static_cast<int64_t>(count) + 1 >= least) builder.call(ready[count], one, behind);
    }
    return;
  }
  for (size_t count = 0; count < ready.size(); ++count) {
    const int64_t left = most - static_cast<int64_t>(count) - 1;
    if (left < 0 || static_cast<int64_t>(count) + 1 < least) continue;
    const int32_t behind = builder.add_node(rule);
    builder.call(ready[count], one, behind);
    builder.repeated_rule(behind, more, 0, static_cast<int32_t>(left), close);
  }
}

}  // namespace autoglm::grammar
