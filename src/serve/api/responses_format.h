// Answers of the Responses API.
#pragma once

#include <functional>
#include <memory>

#include "serve/api/answer_format.h"

namespace autoglm::serve {

struct ResponsesStyle {
  json::object told;  // members of the request that the answer repeats
  // Called once with the whole response, where it is to be stored; else empty.
  std::function<void(const json::object& response)> keep;
};
std::unique_ptr<AnswerFormat> responses_format(AnswerFacts facts, ResponsesStyle style);

}  // namespace autoglm::serve
