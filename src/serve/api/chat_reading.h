// How a chat answer's text is taken apart: what the request wishes of tools and thoughts, and what
// the model writes.
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
  bool short_ids = false;  // nine letters and digits, as Mistral's templates demand
};

// `prompt`: as the template wrote it.
Result<ChatReading> read_chat_reading(const ServiceContext& context, const json::Fields& fields,
                                      const ToolWish& tools, const std::string& prompt);

}  // namespace autoglm::serve
