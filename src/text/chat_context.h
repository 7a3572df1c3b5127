// From a caller's request to what a chat template is rendered with: defaults and aliases as
// transformers' apply_chat_template sets them, tool arguments and content parts as vLLM does it for
// OpenAI clients. It neither parses requests nor renders.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/chat_template.h"

namespace autoglm {

struct ChatContextLimits {
  size_t max_values = 1'000'000;  // JSON values of the whole request
  size_t max_bytes = 64 << 20;    // of all its strings
  size_t max_depth = 64;
};

struct ChatContextOptions {
  // By the role of the message; none: kString.
  std::function<ContentFormat(std::string_view role)> content_format;
  // bos_token, eos_token, unk_token... as the tokenizer spells them; each becomes a variable.
  std::vector<std::pair<std::string, std::string>> special_tokens;
  ChatContextLimits limits;
};

// `request` holds `messages` and may hold `tools`, `documents`, `add_generation_prompt` (false when
// absent, as transformers has it), `chat_template_kwargs` (an object whose fields become variables)
// and any further variable, like `enable_thinking`. What the caller names wins over
// chat_template_kwargs, and both over the special tokens. The result has:
//  - tools and documents null when absent;
//  - every assistant tool call's arguments parsed from their JSON text, {} when empty;
//  - reasoning under reasoning_content and thinking, whichever name the caller used;
//  - content parts that are text joined by newlines when the template wants a string; other
//    parts are an error then. Null or absent content stays as it is.
// Errors name the field ("messages[2].tool_calls[0].function.arguments").
Result<json::object> chat_context(const json::object& request, const ChatContextOptions& options);

}  // namespace autoglm
