// "type", and the keywords that are refused because of the types of values that they constrain.
#pragma once

#include "text/grammar/schema_context.h"
#include "text/grammar/schema_values.h"

namespace autoglm::grammar {

// The types that values may have, as TypeBits. Of null, a negation may rule out the only value.
Result<unsigned> types_of(const SchemaContext& context, const Expanded& all);

// An error where a keyword that is not offered says something about values of these types.
Result<void> refuse_unknown(const SchemaContext& context, const Expanded& all, unsigned types);

}  // namespace autoglm::grammar
