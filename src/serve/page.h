// The chat page: one HTML document, built into the program from src/serve/page.
#pragma once

#include <string_view>

#include "serve/http/message.h"

namespace autoglm::serve {

// index.html with its style and script in place; "{{nonce}}" stands where a nonce belongs.
extern const std::string_view kChatPage;

// The page under a policy that lets it talk to this server alone and run its own script alone.
Response chat_page_response();

}  // namespace autoglm::serve
