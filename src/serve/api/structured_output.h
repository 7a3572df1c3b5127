// The request fields that say what an answer must be: OpenAI's response_format, vLLM's
// structured_outputs and guided_*, llama.cpp's json_schema and grammar.
#pragma once

#include "autoglm/generation.h"
#include "autoglm/result.h"
#include "base/json.h"

namespace autoglm::serve {

// kNone when none of them asks for anything; an error when more than one does. The grammars and
// schemas themselves are looked at when the request is submitted.
Result<StructuredOutput> read_structured_output(const json::Fields& fields);

}  // namespace autoglm::serve
