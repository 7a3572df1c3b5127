// Keys of objects: which there may be ("propertyNames"), the kinds of those that are not declared
// ("patternProperties", "additionalProperties", "unevaluatedProperties"), and members with them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/grammar/dfa.h"
#include "text/grammar/schema_combinators.h"
#include "text/grammar/schema_context.h"
#include "text/grammar/schema_object_rules.h"
#include "text/grammar/schema_rules.h"

namespace autoglm::grammar {

// What "propertyNames" allows.
struct AllowedKeys {
  bool none = false;
  std::optional<Dfa> language;  // nothing: any

  bool contain(std::string_view key) const {
    return !none && (!language || language->matches(key));
  }
};
// Errors are about `schema`.
Result<AllowedKeys> allowed_keys(const SchemaContext& context, SchemaCombinators& combinators,
                                 const ObjectRules& object, const json::value& schema);

// Keys that are not declared, and for which the same holds.
struct KeyClass {
  std::optional<Dfa> keys;  // nothing: all that are not declared
  int32_t value = 0;        // the rule of their values
};
Result<std::vector<KeyClass>> free_keys(const SchemaContext& context, SchemaRules& rules,
                                        const ObjectRules& object, const AllowedKeys& allowed);

// After a key: its colon, its value and the white space after it.
void build_member(const SchemaContext& context, int32_t key_end, int32_t value, int32_t to);

struct OtherMembers {
  const std::vector<std::string>& names;  // that are declared
  const std::vector<KeyClass>& classes;
  const std::vector<int32_t>& ready;  // where a key may come, by the number of members before
  int32_t close = 0;
  int64_t least = 0, most = -1;  // members of the whole object
};
void build_other_members(const SchemaContext& context, const OtherMembers& others);

}  // namespace autoglm::grammar
