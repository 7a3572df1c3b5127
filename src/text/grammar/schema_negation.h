// What a schema does not allow, as a schema: for "not" and "if".
#pragma once

#include <string_view>

#include "autoglm/result.h"
#include "base/json.h"
#include "text/grammar/schema_index.h"

namespace autoglm::grammar {

// Two keywords that only negations use, and no document can spell by accident: a list of values of
// which this is none, and a pattern that a string does not match.
inline constexpr std::string_view kNoneOf = "\x01noneOf";
inline constexpr std::string_view kNoMatch = "\x01noMatch";

// A schema that holds where `schema` does not. Unsupported, by the keyword's name, where that
// cannot be said with the keywords there are.
Result<json::value> negation(const json::value& schema, const SchemaIndex& index);

}  // namespace autoglm::grammar
