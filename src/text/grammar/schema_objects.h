// Rules of objects.
#pragma once

#include "text/grammar/schema_combinators.h"
#include "text/grammar/schema_context.h"
#include "text/grammar/schema_rules.h"

namespace autoglm::grammar {

// The rule's texts are joined by those of the objects that satisfy all.
Result<void> build_object(const SchemaContext& context, SchemaCombinators& combinators,
                          SchemaRules& rules, const Expanded& all, int32_t rule);

}  // namespace autoglm::grammar
