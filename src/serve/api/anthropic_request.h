// Anthropic's Messages API: a body of POST /v1/messages as one of POST /v1/chat/completions.
#pragma once

#include "base/json.h"

namespace autoglm::serve {

// The body of the chat completion. `counts`: of /v1/messages/count_tokens, which has no answer to
// limit. What would change an answer and is not offered is refused by its name.
Result<json::object> read_messages_request(const json::Fields& fields, bool counts);

// Errors about fields of the chat completion, as ones about the fields that they were made from.
Error in_messages_names(Error error);

}  // namespace autoglm::serve
