// The table of routes and the three ways in which they answer.
#include "serve/router.h"

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "autoglm/version.h"
#include "serve/api/errors.h"
#include "serve/api/generation.h"
#include "serve/api/json_text.h"
#include "serve/api/plans.h"
#include "serve/guarded.h"
#include "serve/page.h"
#include "serve/tenant.h"

namespace autoglm::serve {
namespace {

using Answer = std::shared_ptr<Exchange>;
// A route may take the request apart.
using RouteFunction = void (*)(const ServiceContext&, Request&, const Answer&);

Response json_response(const json::value& value) { return Response{.body = dump(value)}; }

Response busy_response() {
  return error_response(Error{ErrorCode::kResourceExhausted, "too many requests are waiting", "",
                              "", "", ErrorReason::kQueueFull});
}

Response shutting_down() {
  return error_response(Error{ErrorCode::kUnavailable, "the server is shutting down", "", "", ""});
}

// Work that waits for nobody but its tenant's, and nobody else for it.
void on_tenants_turn(const ServiceContext& context, FairQueue& queue, const std::string& tenant,
                     const Answer& exchange, const std::shared_ptr<RequestTask>& task,
                     std::function<Result<void>()> work) {
  const bool taken = queue.run(tenant, [&context, exchange, task, work = std::move(work)] {
    const Result<void> done =
        guarded([&] { return task->wanted() ? work() : Result<void>(not_wanted()); });
    if (done) return;
    note_internal_error(context, done.error());
    exchange->respond(error_response(done.error()));
  });
  if (!taken) exchange->respond(busy_response());
}

// Answers that take work: only while the service takes requests, and only as long as the client is
// there.
void prepare(const ServiceContext& context, const std::string& tenant, const Answer& exchange,
             std::function<Result<void>(const std::shared_ptr<RequestTask>&)> work) {
  if (context.draining()) {
    exchange->respond(shutting_down());
    return;
  }
  const std::shared_ptr<RequestTask> task = context.tasks.begin();
  exchange->on_client_gone([weak = std::weak_ptr(task)] {
    if (const auto running = weak.lock()) running->cancel();
  });
  on_tenants_turn(context, *context.prepare, tenant, exchange, task,
                  [task, work = std::move(work)] { return work(task); });
}

// All prompts of a request have one form, which may be a new one.
void start(const ServiceContext& context, const Answer& exchange,
           const std::shared_ptr<RequestTask>& task, GenerationPlan plan) {
  const GenerationRequest& first = plan.requests.front();
  if (context.backend->knows_form(*first.structured_output)) {
    return start_generation(context, exchange, task, std::move(plan));
  }
  const std::string tenant = first.scheduling.tenant;
  const auto waiting = std::make_shared<GenerationPlan>(std::move(plan));
  on_tenants_turn(context, *context.grammars, tenant, exchange, task,
                  [&context, exchange, task, waiting]() -> Result<void> {
                    start_generation(context, exchange, task, std::move(*waiting));
                    return {};
                  });
}

template <Result<GenerationPlan> (*kPlan)(const ServiceContext&, std::string_view,
                                          const RequestTask&)>
void generate(const ServiceContext& context, Request& request, const Answer& exchange) {
  prepare(context, tenant_of(request), exchange,
          [&context, exchange, tenant = std::string(request.header(kTenantHeader)),
           body = std::move(request.body), held = std::move(request.held)](
              const std::shared_ptr<RequestTask>& task) -> Result<void> {
            GenerationPlan plan = AGLM_TRY(kPlan(context, body, *task));
            // Whoever stands before us and knows its clients outranks what these say of
            // themselves.
            if (!tenant.empty()) {
              for (GenerationRequest& one : plan.requests) one.scheduling.tenant = tenant;
            }
            start(context, exchange, task, std::move(plan));
            return {};
          });
}

template <Result<std::string> (*kAnswer)(const ServiceContext&, std::string_view,
                                         const RequestTask&)>
void answer(const ServiceContext& context, Request& request, const Answer& exchange) {
  prepare(context, tenant_of(request), exchange,
          [&context, exchange, body = std::move(request.body), held = std::move(request.held)](
              const std::shared_ptr<RequestTask>& task) -> Result<void> {
            std::string text = AGLM_TRY(kAnswer(context, body, *task));
            exchange->respond(Response{.body = std::move(text)});
            return {};
          });
}

void embeddings(const ServiceContext& context, Request& request, const Answer& exchange) {
  prepare(
      context, tenant_of(request), exchange,
      [&context, exchange, tenant = std::string(request.header(kTenantHeader)),
       body = std::move(request.body),
       held = std::move(request.held)](const std::shared_ptr<RequestTask>& task) -> Result<void> {
        EmbeddingPlan plan = AGLM_TRY(plan_embeddings(context, body, *task));
        if (!tenant.empty()) plan.scheduling.tenant = tenant;
        const std::string owner = plan.scheduling.tenant;
        on_tenants_turn(context, *context.embeddings, owner, exchange, task,
                        [&context, exchange, task, held, plan = std::move(plan)]() -> Result<void> {
                          std::string text = AGLM_TRY(answer_embeddings(context, plan, *task));
                          exchange->respond(Response{.body = std::move(text)});
                          return {};
                        });
        return {};
      });
}

void models(const ServiceContext& context, Request&, const Answer& exchange) {
  exchange->respond(json_response(answer_models(context)));
}

constexpr std::string_view kModelPrefix = "/v1/models/";

void model(const ServiceContext& context, Request& request, const Answer& exchange) {
  const auto found =
      answer_model(context, std::string_view(request.path).substr(kModelPrefix.size()));
  exchange->respond(found ? json_response(*found) : error_response(found.error()));
}

void health(const ServiceContext&, Request&, const Answer& exchange) {
  exchange->respond(json_response(json::object{{"status", "ok"}}));
}

void ready(const ServiceContext& context, Request&, const Answer& exchange) {
  if (context.draining()) {
    exchange->respond(shutting_down());
  } else {
    exchange->respond(json_response(json::object{{"status", "ready"}}));
  }
}

void version_route(const ServiceContext&, Request&, const Answer& exchange) {
  exchange->respond(json_response(json::object{{"version", kVersion}}));
}

void metrics(const ServiceContext& context, Request&, const Answer& exchange) {
  context.metrics->update(context.backend->stats());
  exchange->respond(Response{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                             .body = context.metrics->text()});
}

void page(const ServiceContext& context, Request&, const Answer& exchange) {
  if (context.chat_page) {
    exchange->respond(chat_page_response());
  } else {
    exchange->respond(error_response(ApiError{.status = 404, .message = "there is no page here"}));
  }
}

struct Route {
  std::string_view method;
  std::string_view path;
  RouteFunction run;
};

constexpr std::array kRoutes = {
    Route{"GET", "/", page},
    Route{"GET", "/health", health},
    Route{"GET", "/ready", ready},
    Route{"GET", "/version", version_route},
    Route{"GET", "/metrics", metrics},
    Route{"GET", "/v1/models", models},
    Route{"POST", "/infer", generate<plan_infer>},
    Route{"POST", "/v1/chat/completions", generate<plan_chat>},
    Route{"POST", "/v1/completions", generate<plan_completions>},
    Route{"POST", "/v1/embeddings", embeddings},
    Route{"POST", "/tokenize", answer<answer_tokenize>},
    Route{"POST", "/detokenize", answer<answer_detokenize>},
    Route{"POST", "/apply-template", answer<answer_apply_template>},
};
constexpr Route kModelRoute{"GET", "/v1/models/{id}", model};

const Route* find_route(std::string_view path) {
  for (const Route& candidate : kRoutes) {
    if (candidate.path == path) return &candidate;
  }
  const bool one_model = path.starts_with(kModelPrefix) && path.size() > kModelPrefix.size();
  return one_model ? &kModelRoute : nullptr;
}

}  // namespace

void route(const ServiceContext& context, Request request,
           const std::shared_ptr<Exchange>& exchange) {
  if (const std::optional<ApiError> refusal = access_refusal(context.access, request)) {
    exchange->respond(error_response(*refusal));
    return;
  }
  const Route* found = find_route(request.path);
  if (found == nullptr) {
    if (request.method == "OPTIONS" && request.path == "*") {
      exchange->respond(Response{.status = 204, .content_type = ""});
      return;
    }
    exchange->respond(error_response(
        ApiError{.status = 404,
                 .message = "there is no " + printable_utf8(request.method.substr(0, 20)) + " " +
                            printable_utf8(request.path.substr(0, 100)),
                 .code = "unknown_url"}));
    return;
  }
  const bool get = found->method == "GET";
  if (request.method == found->method || (get && request.method == "HEAD")) {
    found->run(context, request, exchange);
    return;
  }
  const std::string allow = get ? "GET, HEAD, OPTIONS" : "POST, OPTIONS";
  Response response{.status = 204, .content_type = ""};
  if (request.method != "OPTIONS") {
    response = error_response(ApiError{.status = 405,
                                       .message = std::string(found->path) + " takes " +
                                                  std::string(found->method) + ", not " +
                                                  printable_utf8(request.method.substr(0, 20)),
                                       .code = "method_not_allowed"});
  }
  response.headers.push_back({"Allow", allow});
  exchange->respond(std::move(response));
}

std::string_view route_label(std::string_view path) {
  const Route* found = find_route(path);
  return found == nullptr ? "other" : found->path;
}

std::string_view method_label(std::string_view method) {
  static constexpr std::array<std::string_view, 5> kKnown = {"GET", "POST", "HEAD", "OPTIONS",
                                                             "DELETE"};
  const auto* known = std::find(kKnown.begin(), kKnown.end(), method);
  return known == kKnown.end() ? "other" : *known;
}

}  // namespace autoglm::serve
