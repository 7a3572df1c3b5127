// One HTTP request's generations: submits them, gathers or streams what comes, cancels when the
// client goes away or the server stops.
#pragma once

#include <memory>

#include "serve/api/plans.h"
#include "serve/context.h"
#include "serve/http/message.h"
#include "serve/request_task.h"

namespace autoglm::serve {

// Returns at once; the answer goes to `exchange`. Ends with `task`.
void start_generation(const ServiceContext& context, std::shared_ptr<Exchange> exchange,
                      std::shared_ptr<RequestTask> task, GenerationPlan plan);

}  // namespace autoglm::serve
