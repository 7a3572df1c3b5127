// Whether no value can satisfy both of two conjunctions: what "oneOf" needs, since a grammar can
// only be one or the other. Says yes only where it is sure.
#include <algorithm>

#include "text/grammar/schema_object_rules.h"

namespace autoglm::grammar {

Result<bool> SchemaCompiler::disjoint(const Schemas& a, const Schemas& b, size_t depth) {
  if (depth > kMaxDisjointDepth) return false;
  const Expanded x = AGLM_TRY(expand(a)), y = AGLM_TRY(expand(b));
  if (x.never || y.never) return true;
  const unsigned x_types = AGLM_TRY(types(x)), y_types = AGLM_TRY(types(y));
  const unsigned common = x_types & y_types;
  if (common == 0) return true;
  const auto x_values = AGLM_TRY(values(x)), y_values = AGLM_TRY(values(y));
  if (x_values || y_values) {
    // Each value of a list must be out of the other's list, or of another type.
    const auto& list = x_values ? *x_values : *y_values;
    const auto& other = x_values ? y_values : x_values;
    AGLM_TRY(spend(10 * list.size() * (other ? other->size() : 1)));
    return std::all_of(list.begin(), list.end(), [&](const json::value* value) {
      if ((type_of(*value) & common) == 0) return true;
      return other && std::none_of(other->begin(), other->end(),
                                   [&](const json::value* v) { return equal_values(*value, *v); });
    });
  }
  if ((common & (kNull | kBoolean | kArray)) != 0) return false;
  if ((common & (kInteger | kFraction)) != 0 && !AGLM_TRY(disjoint_numbers(x, y))) return false;
  if ((common & kString) != 0) {
    const auto first = AGLM_TRY(string_language(x, true)),
               second = AGLM_TRY(string_language(y, true));
    if (!first || !second) return false;
    const Dfa both = AGLM_TRY(Dfa::intersection(*first, *second, where_, builder_.work()));
    if (!both.empty()) return false;
  }
  return (common & kObject) == 0 || AGLM_TRY(disjoint_objects(x, y, depth));
}

Result<bool> SchemaCompiler::disjoint_numbers(const Expanded& a, const Expanded& b) const {
  const NumberRange x = AGLM_TRY(range_of(a)), y = AGLM_TRY(range_of(b));
  const auto before = [](const NumberRange& low, const NumberRange& high) {
    if (!low.most || !high.least) return false;
    const int order = compare(*low.most, *high.least);
    return order < 0 || (order == 0 && (low.below || high.above));
  };
  return before(x, y) || before(y, x);
}

// A property that both require, and for which they want different things; or that one requires and
// the other forbids.
Result<bool> SchemaCompiler::disjoint_objects(const Expanded& a, const Expanded& b, size_t depth) {
  const ObjectRules x = AGLM_TRY(object_rules(a, nullptr)), y = AGLM_TRY(object_rules(b, nullptr));
  for (const ObjectRules* rules : {&x, &y}) {
    for (const std::string& name : rules->required) {
      const Schemas first = AGLM_TRY(schemas_of_key(x, name));
      const Schemas second = AGLM_TRY(schemas_of_key(y, name));
      const bool forbidden =
          std::any_of((rules == &x ? second : first).begin(), (rules == &x ? second : first).end(),
                      [](Schema s) { return s->is_bool() && !s->get_bool(); });
      if (forbidden) return true;
      if (x.required.contains(name) && y.required.contains(name) &&
          AGLM_TRY(disjoint(first, second, depth + 1))) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace autoglm::grammar
