// One HTTP request's generations: submits them, gathers or streams what comes, cancels when the
// client goes away.
#pragma once

#include <memory>
#include <vector>

#include "autoglm/generation.h"
#include "serve/api/answer_format.h"
#include "serve/context.h"
#include "serve/http/message.h"

namespace autoglm::serve {

// Returns at once; the answer goes to `exchange`. `requests`: one a prompt.
void start_generation(const ServiceContext& context, std::shared_ptr<Exchange> exchange,
                      std::vector<GenerationRequest> requests, bool stream,
                      std::unique_ptr<AnswerFormat> format);

}  // namespace autoglm::serve
