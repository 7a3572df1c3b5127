// Rules of arrays.
#pragma once

#include "text/grammar/schema_combinators.h"
#include "text/grammar/schema_context.h"
#include "text/grammar/schema_rules.h"

namespace autoglm::grammar {

// The rule's texts are joined by those of the arrays that satisfy all.
Result<void> build_array(const SchemaContext& context, const SchemaCombinators& combinators,
                         SchemaRules& rules, const Expanded& all, int32_t rule);

}  // namespace autoglm::grammar
