#include "text/grammar/schema_disjoint.h"

#include <algorithm>

#include "text/grammar/schema_numbers.h"
#include "text/grammar/schema_object_rules.h"
#include "text/grammar/schema_strings.h"
#include "text/grammar/schema_types.h"

namespace autoglm::grammar {
namespace {

// Of objects within objects. Deeper ones take long, and tell alternatives apart too rarely.
constexpr size_t kMaxDepth = 8;

Result<bool> disjoint_numbers(const SchemaContext& context, const Expanded& a, const Expanded& b) {
  const NumberRange x = AGLM_TRY(range_of(context, a)), y = AGLM_TRY(range_of(context, b));
  const auto before = [](const NumberRange& low, const NumberRange& high) {
    if (!low.most || !high.least) return false;
    const int order = compare(*low.most, *high.least);
    return order < 0 || (order == 0 && (low.below || high.above));
  };
  return before(x, y) || before(y, x);
}

Result<bool> disjoint_strings(const SchemaContext& context, const Expanded& a, const Expanded& b) {
  const auto x = AGLM_TRY(string_language(context, a)), y = AGLM_TRY(string_language(context, b));
  if (!x || !y) return false;
  const Dfa both = AGLM_TRY(Dfa::intersection(*x, *y, context.where, context.work()));
  return both.empty();
}

// Each value of a list must be out of the other's list, or of another type.
Result<bool> disjoint_values(const SchemaContext& context, const Values& list,
                             const std::optional<Values>& other, unsigned common_types) {
  const size_t n_others = other ? other->size() : 1;
  AGLM_TRY(context.spend(kStepsOfComparison * list.size() * n_others));
  return std::ranges::all_of(list, [&](const json::value* value) {
    return (type_of(*value) & common_types) == 0 || (other && !is_one_of(*value, *other));
  });
}

class Disjoint {
 public:
  Disjoint(const SchemaContext& context, SchemaCombinators& combinators)
      : context_(context), combinators_(combinators) {}

  Result<bool> schemas(const Schemas& a, const Schemas& b, size_t depth) {
    if (depth > kMaxDepth) return false;
    const Expanded x = AGLM_TRY(combinators_.expand(a)), y = AGLM_TRY(combinators_.expand(b));
    if (x.never || y.never) return true;
    const unsigned x_types = AGLM_TRY(types_of(context_, x)),
                   y_types = AGLM_TRY(types_of(context_, y));
    const unsigned common = x_types & y_types;
    if (common == 0) return true;
    const auto x_values = AGLM_TRY(listed_values(context_, x)),
               y_values = AGLM_TRY(listed_values(context_, y));
    if (x_values) return disjoint_values(context_, *x_values, y_values, common);
    if (y_values) return disjoint_values(context_, *y_values, x_values, common);
    if ((common & (kNull | kBoolean | kArray)) != 0) return false;
    const bool numbers = (common & (kInteger | kFraction)) != 0;
    if (numbers && !AGLM_TRY(disjoint_numbers(context_, x, y))) return false;
    const bool strings = (common & kString) != 0;
    if (strings && !AGLM_TRY(disjoint_strings(context_, x, y))) return false;
    return (common & kObject) == 0 || AGLM_TRY(objects(x, y, depth));
  }

 private:
  // A property that both require, and for which they want different things; or that one requires
  // and the other forbids.
  Result<bool> objects(const Expanded& a, const Expanded& b, size_t depth) {
    const ObjectRules x = AGLM_TRY(object_rules(context_, combinators_, a)),
                      y = AGLM_TRY(object_rules(context_, combinators_, b));
    for (const ObjectRules* rules : {&x, &y}) {
      for (const std::string& name : rules->required) {
        const Schemas first = schemas_of_key(x, name), second = schemas_of_key(y, name);
        if (allow_nothing(rules == &x ? second : first)) return true;
        if (x.required.contains(name) && y.required.contains(name) &&
            AGLM_TRY(schemas(first, second, depth + 1))) {
          return true;
        }
      }
    }
    return false;
  }

  const SchemaContext& context_;
  SchemaCombinators& combinators_;
};

}  // namespace

Result<bool> disjoint(const SchemaContext& context, SchemaCombinators& combinators,
                      const Schemas& a, const Schemas& b) {
  return Disjoint(context, combinators).schemas(a, b, 0);
}

}  // namespace autoglm::grammar
