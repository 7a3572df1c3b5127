// OpenAI's Responses API: a body of POST /v1/responses as one of POST /v1/chat/completions.
#pragma once

#include <string>

#include "base/json.h"
#include "serve/context.h"
#include "serve/request_context.h"

namespace autoglm::serve {

struct ResponsesRequest {
  json::object chat;  // of a chat completion
  json::object told;  // members of the request that the answer repeats
  json::array input;  // items, those of the responses before included
  std::string owner;  // of what is stored
  bool store = true;
};

// Whose responses a request may come back to: with keys its tenant's, else the machine's.
std::string response_owner(const RequestContext& request);

Result<ResponsesRequest> read_responses_request(const ServiceContext& context,
                                                const json::Fields& fields,
                                                const RequestContext& request);

// The messages of a chat completion. Errors name the item.
Result<json::array> messages_of_items(const json::array& items, const std::string& where);

// Errors about fields of the chat completion, as ones about the fields that they were made from.
Error in_responses_names(Error error);

}  // namespace autoglm::serve
