// JSON Schema (draft 2020-12, and what older drafts write otherwise) to a grammar of the JSON texts
// that satisfy it. What cannot be enforced is refused by keyword and JSON pointer; what says
// nothing about validity is skipped, as the draft has it (docs/structured-output.md: keyword by
// keyword).
//
// Texts are generated, not judged: of the spellings of a value some are left out (another order of
// properties, other escapes, 1.0 for an integer). A text that does not satisfy the schema is never
// derived.
#pragma once

#include <string_view>

#include "autoglm/result.h"
#include "base/json.h"
#include "text/grammar/builder.h"
#include "text/grammar/json_prelude.h"

namespace autoglm::grammar {

// The rule of the texts that satisfy `schema`, without white space around. `where` names the schema
// in errors.
Result<int32_t> build_json_schema(GrammarBuilder& builder, const JsonPrelude& prelude,
                                  const json::value& schema, std::string_view where);

}  // namespace autoglm::grammar
