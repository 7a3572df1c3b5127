// What a conjunction says of strings.
#pragma once

#include <optional>
#include <string_view>

#include "text/grammar/dfa.h"
#include "text/grammar/expression.h"
#include "text/grammar/schema_context.h"

namespace autoglm::grammar {

// A regular expression that a keyword of the schema holds, found anywhere in the text.
Result<ExpressionPtr> parse_pattern(const SchemaContext& context, Schema schema,
                                    std::string_view keyword, std::string_view source);

// What the strings may be, by all keywords together; nothing: any string.
Result<std::optional<Dfa>> string_language(const SchemaContext& context, const Expanded& all);

// The rule's texts are joined by those of its strings.
Result<void> build_string(const SchemaContext& context, const Expanded& all, int32_t rule);

}  // namespace autoglm::grammar
