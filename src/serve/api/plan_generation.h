// Requests in OpenAI's form, whoever asked: other dialects translate their bodies into one and
// write the answer in their own way. Internal to serve/api.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "base/json.h"
#include "serve/api/answer_format.h"
#include "serve/api/plans.h"

namespace autoglm::serve {

struct ChatDialect {
  std::string_view id_prefix;  // of answers
  std::function<std::unique_ptr<AnswerFormat>(AnswerFacts, ChatStyle)> format;
  // A limit on the answer that is more than the context has room for is what its clients send by
  // default: it is cut, and not refused.
  bool cuts_to_context = false;
};

// `body`: of POST /v1/chat/completions.
Result<GenerationPlan> plan_chat_request(const ServiceContext& context, const json::object& body,
                                         const RequestTask& task, const ChatDialect& dialect);
// The tokens of its prompt.
Result<int64_t> count_chat_request(const ServiceContext& context, const json::object& body);
// `body`: of POST /v1/completions.
Result<GenerationPlan> plan_completions_request(const ServiceContext& context,
                                                const json::object& body, const RequestTask& task,
                                                const ChatDialect& dialect);

}  // namespace autoglm::serve
