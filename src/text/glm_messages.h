// OpenAI's tool messages in the words of templates that do not know them: those of GLM-4,
// GLM-4-0414 and ChatGLM3, where a call is an assistant's message with the tool's name as metadata
// and a result comes from "observation".
#pragma once

#include <string_view>

#include "autoglm/result.h"
#include "base/json.h"

namespace autoglm {

// What a template expects of tools.
enum class ToolMessages {
  kOpenAi,    // tool_calls, and the role "tool": nothing is to be done
  kMetadata,  // GLM-4-0414: `metadata`, "observation"; tools are a variable
  kInSystem,  // GLM-4 as first published: the same, and tools are a field of a system message
  kAsText,    // ChatGLM3: all of it is text
};

ToolMessages tool_messages_of(std::string_view template_source);

// `context` is a chat template's, messages and tools normalised (text/chat_context.h).
void write_tool_messages(ToolMessages form, json::object& context);

}  // namespace autoglm
