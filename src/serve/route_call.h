// What routes are made of: the request that one of them takes, the ways in which it is answered or
// refused, and the turns that its work takes.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "guard/quotas.h"
#include "guard/tenant_store.h"
#include "serve/api/errors.h"
#include "serve/api/plans.h"
#include "serve/context.h"
#include "serve/http/message.h"
#include "serve/request_task.h"

namespace autoglm::serve {

// One request that a route takes, and the way back.
struct Call {
  const ServiceContext& context;
  std::shared_ptr<Exchange> exchange;
  std::shared_ptr<RequestTask> task;
  ErrorForm errors = ErrorForm::kOpenAi;
};

void reply(const Call& call, Response response, const Usage& usage = {});
void reply(const Call& call, const json::value& value);
void refuse(const Call& call, const Error& error, const Usage& usage = {});
void refuse(const Call& call, const guard::QuotaRefusal& refusal);

// Whether the tenant may have as much as the work may come to; where not, that has been answered.
bool reserve(const Call& call, int64_t bounded_tokens, int64_t unbounded_tokens);
bool reserve(const Call& call, const std::vector<GenerationRequest>& requests);
// No more urgent than the tenant's requests may be.
void limit_priority(const RequestTask& task, Scheduling& scheduling);

Error shutting_down();
// In the words of a model that there is not: who may not use it need not know of it.
Error no_such_model(std::string_view name);
// Whether the tenant may use any of the names under which the model is served.
bool may_use_model(const ServiceContext& context, const guard::TenantLimits& limits);

// Work that waits for nobody but its tenant's, and nobody else for it.
void on_tenants_turn(FairQueue& queue, const std::string& tenant, const Call& call,
                     std::function<Result<void>()> work);
// Answers that take work: only while the service takes requests, and only as long as the client is
// there.
void prepare(const Call& call, Request& request,
             std::function<Result<void>(const Request& request)> work);

// Begins what was planned. All prompts of a request have one form, which may be a new one.
void start(const Call& call, GenerationPlan plan);
Result<void> start(const Call& call, EncodingPlan plan);

}  // namespace autoglm::serve
