// What a conjunction's keywords about objects come to, before any rule is built: which keys are
// declared or required, and which schemas hold for the value of a key.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/grammar/dfa.h"
#include "text/grammar/schema_combinators.h"
#include "text/grammar/schema_context.h"

namespace autoglm::grammar {

// The keywords of one schema that say what objects may be.
struct KeywordsOfObject {
  Schema schema = nullptr;
  const json::object* properties = nullptr;
  std::vector<std::pair<size_t, Schema>> patterns;  // number of the pattern, and its schema
  Schema others = nullptr;                          // "additionalProperties"
};

struct ObjectRules {
  std::vector<KeywordsOfObject> keywords;
  std::vector<std::string> names;  // declared or required, in their order
  std::set<std::string, std::less<>> required;
  std::vector<std::string> patterns;
  std::vector<Dfa> pattern_keys;  // the keys that each pattern matches
  Schemas key_schemas;            // "propertyNames"
  Schema unevaluated = nullptr;
  Lengths bounds;

  bool empty() const {
    return keywords.empty() && names.empty() && key_schemas.empty() && unevaluated == nullptr &&
           bounds.least == 0 && bounds.most < 0;
  }
};
Result<ObjectRules> object_rules(const SchemaContext& context, const SchemaCombinators& combinators,
                                 const Expanded& all);

// Of the value of this key, declared or not.
Schemas schemas_of_key(const ObjectRules& rules, std::string_view key);
// Of the value of a key that is not declared. `matched`: of each pattern, whether the key matches.
Schemas schemas_of_other_key(const ObjectRules& rules, const std::vector<bool>& matched);
// Whether nothing satisfies them: one is false.
bool allow_nothing(const Schemas& schemas);

}  // namespace autoglm::grammar
