// Rules of listed values.
#pragma once

#include "text/grammar/schema_context.h"
#include "text/grammar/schema_values.h"

namespace autoglm::grammar {

// The texts of those of `values` that have one of the types and satisfy the other keywords.
Result<void> build_values(const SchemaContext& context, const Values& values, const Expanded& all,
                          unsigned types, int32_t rule);

}  // namespace autoglm::grammar
