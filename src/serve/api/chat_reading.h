// How a chat answer's text is taken apart, and what it is held to so that it can be: what the
// request wishes of tools and thoughts, and what the model writes.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "autoglm/tools.h"
#include "base/json.h"
#include "serve/api/prompts.h"
#include "serve/context.h"

namespace autoglm::serve {

// Without a reader all of the text is content.
struct ChatReading {
  std::function<std::unique_ptr<AnswerReader>()> reader;  // one for each choice
  bool parallel_calls = true;  // false: calls after the first are left out
  bool include_reasoning = true;
  StructuredOutput form;  // what the answer is held to
  std::string begun;      // of the answer: to be put behind the prompt
};

// `prompt`: as the template wrote it. `form`: what the request asks for beside tools.
Result<ChatReading> read_chat_reading(const ServiceContext& context, const json::Fields& fields,
                                      const ChatContext& chat, const std::string& prompt,
                                      StructuredOutput form);

}  // namespace autoglm::serve
