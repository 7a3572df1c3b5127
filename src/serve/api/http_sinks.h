// Answers over HTTP: a stream of server-sent events, or one JSON text when all has come. What they
// look like is the dialect's (AnswerFormat).
#pragma once

#include <memory>

#include "serve/api/answer_format.h"
#include "serve/api/generation_sink.h"
#include "serve/context.h"
#include "serve/http/message.h"

namespace autoglm::serve {

std::unique_ptr<GenerationSink> sse_sink(const ServiceContext& context,
                                         std::shared_ptr<Exchange> exchange,
                                         std::unique_ptr<AnswerFormat> format);
std::unique_ptr<GenerationSink> json_sink(const ServiceContext& context,
                                          std::shared_ptr<Exchange> exchange,
                                          std::unique_ptr<AnswerFormat> format);

}  // namespace autoglm::serve
