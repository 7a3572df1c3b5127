// The compiler's unit of work is a conjunction of schemas, which becomes one rule (schema_rules.h):
// it is expanded, then it is either the choice between its branches (schema_combinators.h), or a
// value: of a list (schema_enum.h), or of any type that it allows, each built by the part that
// knows the type.
#include "text/grammar/json_schema.h"

#include <fmt/format.h>

#include "text/grammar/schema_arrays.h"
#include "text/grammar/schema_combinators.h"
#include "text/grammar/schema_context.h"
#include "text/grammar/schema_disjoint.h"
#include "text/grammar/schema_enum.h"
#include "text/grammar/schema_numbers.h"
#include "text/grammar/schema_objects.h"
#include "text/grammar/schema_rules.h"
#include "text/grammar/schema_strings.h"
#include "text/grammar/schema_types.h"

namespace autoglm::grammar {
namespace {

class SchemaCompiler {
 public:
  explicit SchemaCompiler(const SchemaContext& context)
      : context_(context), combinators_(context_), rules_(context_) {}
  SchemaCompiler(const SchemaCompiler&) = delete;  // its parts refer to its context

  Result<int32_t> run(Schema root) {
    const int32_t rule = AGLM_TRY(rules_.rule_of(Schemas{root}));
    while (const auto next = rules_.take()) {
      AGLM_TRY(build(next->conjunction, next->rule));
      if (context_.builder.failed()) break;
    }
    return rule;
  }

 private:
  Result<void> build(const Conjunction& c, int32_t rule) {
    Expanded all = AGLM_TRY(combinators_.expand(c.schemas));
    if (all.never) return {};
    if (const auto which = AGLM_TRY(combinators_.next_disjunction(all, c.chosen))) {
      return build_disjunction(*which, c, rule);
    }
    // Older drafts pass over what stands beside a $ref.
    if (is_in(all.schemas, c.origin)) all.origin = c.origin;
    return build_value(all, rule);
  }

  Result<void> build_disjunction(const Disjunction& which, const Conjunction& c, int32_t rule) {
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
        AGLM_TRY(context_.spend(kStepsOfSchema * (c.schemas.size() + c.chosen.size() + 4)));
        if (AGLM_TRY(disjoint(context_, combinators_, with(first).schemas, with(second).schemas))) {
          continue;
        }
        const auto negated = [&](size_t branch) {
          return combinators_.negated(which.schema, fmt::format("oneOf {}", branch),
                                      *which.branches[branch][0]);
        };
        const auto not_first = negated(j), not_second = negated(i);
        if (!not_first || !not_second) {
          return context_.index.unsupported(
              *which.schema, "oneOf",
              fmt::format("alternatives {} and {} are not known to exclude each other", j, i));
        }
        branches[i].push_back(*not_first);
        branches[j].push_back(*not_second);
      }
    }
    GrammarBuilder& builder = context_.builder;
    for (const Schemas& branch : branches) {
      const int32_t called = AGLM_TRY(rules_.rule_of(with(branch)));
      builder.call(builder.begin(rule), called, builder.end(rule));
    }
    return {};
  }

  Result<void> build_value(const Expanded& all, int32_t rule) {
    const unsigned types = AGLM_TRY(types_of(context_, all));
    if (const auto listed = AGLM_TRY(listed_values(context_, all))) {
      return build_values(context_, *listed, all, types, rule);
    }
    AGLM_TRY(refuse_unknown(context_, all, types));
    if ((types & kNull) != 0) build_word("null", rule);
    if ((types & kBoolean) != 0) {
      const Values none = none_of(all);
      if (!is_one_of(json::value(true), none)) build_word("true", rule);
      if (!is_one_of(json::value(false), none)) build_word("false", rule);
    }
    if ((types & kInteger) != 0) AGLM_TRY(build_number(context_, all, types, rule));
    if ((types & kString) != 0) AGLM_TRY(build_string(context_, all, rule));
    if ((types & kArray) != 0) {
      AGLM_TRY(build_array(context_, combinators_, rules_, all, rule));
    }
    if ((types & kObject) != 0) {
      AGLM_TRY(build_object(context_, combinators_, rules_, all, rule));
    }
    return {};
  }

  void build_word(std::string_view word, int32_t rule) {
    context_.builder.text(context_.builder.begin(rule), word, context_.builder.end(rule));
  }

  const SchemaContext context_;
  SchemaCombinators combinators_;
  SchemaRules rules_;
};

}  // namespace

Result<int32_t> build_json_schema(GrammarBuilder& builder, const JsonPrelude& prelude,
                                  const json::value& schema, std::string_view where) {
  SchemaIndex index = AGLM_TRY(SchemaIndex::of(schema, where));
  return SchemaCompiler({builder, prelude, index, where}).run(&schema);
}

}  // namespace autoglm::grammar
