// The generations of one request: submits them, takes their events apart into typed pieces, hands
// these to a sink in order, cancels when the client goes away or the server stops. Knows nothing of
// how answers are written or sent.
#pragma once

#include <memory>
#include <vector>

#include "serve/api/chat_reading.h"
#include "serve/api/generation_sink.h"
#include "serve/context.h"
#include "serve/request_task.h"

namespace autoglm::serve {

struct Generation {
  std::vector<GenerationRequest> requests;  // one a prompt, at least one
  ChatReading reading;                      // how each answer is taken apart
};

// Returns at once; what comes goes to `sink`. Ends with `task`.
void start_generation(const ServiceContext& context, std::shared_ptr<RequestTask> task,
                      Generation generation, std::unique_ptr<GenerationSink> sink);

}  // namespace autoglm::serve
