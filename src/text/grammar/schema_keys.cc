// Keys that are not declared: which there may be ("patternProperties", "additionalProperties",
// "propertyNames"), and what holds for the values of each.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/utf8.h"
#include "text/grammar/schema_object_rules.h"

namespace autoglm::grammar {
namespace {

// Keys are told apart by which of the patterns they match: 2^n kinds.
constexpr size_t kMaxPatterns = 6;

}  // namespace

Result<size_t> SchemaCompiler::pattern_number(ObjectRules& rules, Schema schema,
                                              std::string_view source) {
  const auto found = std::find(rules.patterns.begin(), rules.patterns.end(), source);
  if (found != rules.patterns.end()) return static_cast<size_t>(found - rules.patterns.begin());
  if (rules.patterns.size() == kMaxPatterns) {
    return index_.unsupported(*schema, "patternProperties",
                              fmt::format("more than {} patterns", kMaxPatterns));
  }
  const ExpressionPtr e = AGLM_TRY(pattern(schema, "patternProperties", source));
  rules.pattern_keys.push_back(AGLM_TRY(Dfa::of(*e, where_, builder_.work())));
  rules.patterns.emplace_back(source);
  return rules.patterns.size() - 1;
}

// `matched`: of each pattern, whether the key matches it.
Schemas SchemaCompiler::schemas_of(const ObjectRules& rules, std::string_view declared,
                                   const std::vector<bool>& matched) {
  Schemas schemas;
  bool evaluated = false;
  for (const KeywordsOfObject& own : rules.keywords) {
    bool mentioned = false;
    const json::value* property = own.properties != nullptr && !declared.empty()
                                      ? own.properties->if_contains(declared.substr(1))
                                      : nullptr;
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

Result<Schemas> SchemaCompiler::schemas_of_key(const ObjectRules& rules, std::string_view key) {
  std::vector<bool> matched;
  for (const Dfa& keys : rules.pattern_keys) matched.push_back(keys.matches(key));
  // A mark before it tells an empty name from none.
  return schemas_of(rules, "=" + std::string(key), matched);
}

Result<std::vector<SchemaCompiler::KeyClass>> SchemaCompiler::free_keys(const ObjectRules& rules) {
  std::vector<KeyClass> classes;
  if (rules.no_keys) return classes;
  const size_t n = rules.patterns.size();
  for (size_t which = 0; which < size_t{1} << n; ++which) {
    std::vector<bool> matched(n);
    for (size_t i = 0; i < n; ++i) matched[i] = (which >> i & 1) != 0;
    Schemas schemas = schemas_of(rules, "", matched);
    const bool never = std::any_of(schemas.begin(), schemas.end(),
                                   [](Schema s) { return s->is_bool() && !s->get_bool(); });
    if (never) continue;
    KeyClass made;
    if (n > 0 || rules.keys) {
      const ExpressionPtr anything = repeat(one_of(CodePointSet::all()), 0, Expression::kUnbounded);
      Dfa keys = AGLM_TRY(Dfa::of(*anything, where_, builder_.work()));
      if (rules.keys) keys = *rules.keys;
      for (size_t i = 0; i < n; ++i) {
        auto part = matched[i]
                        ? Dfa::intersection(keys, rules.pattern_keys[i], where_, builder_.work())
                        : Dfa::difference(keys, rules.pattern_keys[i], where_, builder_.work());
        keys = AGLM_TRY(std::move(part));
      }
      std::vector<ExpressionPtr> names{one_of({})};
      for (const std::string& name : rules.names) names.push_back(text_of(name));
      const Dfa declared = AGLM_TRY(Dfa::of(*choice(std::move(names)), where_, builder_.work()));
      made.keys = AGLM_TRY(Dfa::difference(keys, declared, where_, builder_.work()));
      if (made.keys->empty()) continue;
    }
    made.value = AGLM_TRY(rule_of(std::move(schemas)));
    classes.push_back(std::move(made));
  }
  return classes;
}

// Any string but the names: a tree of their characters, left at the first that is in none.
void SchemaCompiler::build_other_keys(const std::vector<std::string>& names, int32_t from,
                                      int32_t to) {
  struct Branch {
    std::map<char32_t, size_t> next;
    bool is_name = false;
    int32_t node = 0;
  };
  const int32_t rule = builder_.rule_of(from);
  std::vector<Branch> tree{{.node = from}};
  for (const std::string& name : names) {
    size_t at = 0;
    for (size_t i = 0; i < name.size();) {
      const Character c = character_at(name, i);
      i += c.length;
      const auto [found, is_new] = tree[at].next.emplace(c.code, tree.size());
      const size_t next = found->second;
      if (is_new) tree.push_back({.node = builder_.add_node(rule)});
      at = next;
    }
    tree[at].is_name = true;
  }
  const int32_t free = builder_.add_node(rule);
  for (const Branch& branch : tree) {
    if (builder_.failed()) return;
    if (!branch.is_name) builder_.empty(branch.node, to);
    CodePointSet inside;
    for (const auto& [c, next] : branch.next) {
      inside.add(c, c);
      builder_.expression(branch.node, *one_of(CodePointSet::of(c, c)), tree[next].node,
                          Spelling::kJsonString);
    }
    builder_.expression(branch.node, *one_of(inside.complement()), free, Spelling::kJsonString);
  }
  builder_.expression(free, *one_of(CodePointSet::all()), free, Spelling::kJsonString);
  builder_.empty(free, to);
}

// `ready`: where a key may come, by the number of members before.
void SchemaCompiler::build_other_members(const ObjectRules& rules,
                                         const std::vector<KeyClass>& classes,
                                         const std::vector<int32_t>& ready, int32_t close,
                                         int64_t least, int64_t most) {
  const int32_t rule = builder_.rule_of(close);
  // A key and its value, with the white space after them: a rule, since it comes up at each count.
  const int32_t one = builder_.add_rule("");
  for (const KeyClass& keys : classes) {
    const int32_t key_end = builder_.add_node(one);
    if (!keys.keys && rules.names.empty()) {
      builder_.call(builder_.begin(one), prelude_.string, key_end);
    } else {
      const int32_t open = builder_.add_node(one), spelled = builder_.add_node(one);
      builder_.text(builder_.begin(one), "\"", open);
      if (keys.keys) {
        keys.keys->build(builder_, open, spelled, Spelling::kJsonString);
      } else {
        build_other_keys(rules.names, open, spelled);
      }
      builder_.text(spelled, "\"", key_end);
    }
    member(key_end, keys.value, builder_.end(one));
  }
  const int32_t more = builder_.add_rule("");
  const int32_t comma = builder_.add_node(more), next = builder_.add_node(more);
  builder_.text(builder_.begin(more), ",", comma);
  gap(comma, next);
  builder_.call(next, one, builder_.end(more));
  if (most < 0) {
    const int32_t behind = builder_.add_node(rule);
    builder_.call(behind, more, behind);
    builder_.empty(behind, close);
    // Other keys may come twice and then count once: one of them counts.
    for (size_t count = 0; count < ready.size(); ++count) {
      if (static_cast<int64_t>(count) + 1 >= least) builder_.call(ready[count], one, behind);
    }
    return;
  }
  for (size_t count = 0; count < ready.size(); ++count) {
    const int64_t left = most - static_cast<int64_t>(count) - 1;
    if (left < 0 || static_cast<int64_t>(count) + 1 < least) continue;
    const int32_t behind = builder_.add_node(rule);
    builder_.call(ready[count], one, behind);
    builder_.repeated_rule(behind, more, 0, static_cast<int32_t>(left), close);
  }
}

}  // namespace autoglm::grammar
