// What a conjunction says of numbers.
#pragma once

#include "text/grammar/decimal_ranges.h"
#include "text/grammar/schema_context.h"

namespace autoglm::grammar {

// Between which bounds they are. Steps and what negations rule out are not in it.
Result<NumberRange> range_of(const SchemaContext& context, const Expanded& all);

// The rule's texts are joined by those of its numbers. `types`: TypeBits, with kInteger.
Result<void> build_number(const SchemaContext& context, const Expanded& all, unsigned types,
                          int32_t rule);

}  // namespace autoglm::grammar
