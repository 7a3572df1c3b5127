// Whether alternatives exclude each other: what "oneOf" needs, since a grammar can only be one or
// the other.
#pragma once

#include "text/grammar/schema_combinators.h"
#include "text/grammar/schema_context.h"

namespace autoglm::grammar {

// Whether no value satisfies both conjunctions. Says yes only where it is sure.
Result<bool> disjoint(const SchemaContext& context, SchemaCombinators& combinators,
                      const Schemas& a, const Schemas& b);

}  // namespace autoglm::grammar
