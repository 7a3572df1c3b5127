// The table of routes and the three ways in which they answer.
#include "serve/router.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <string>
#include <utility>

#include "autoglm/version.h"
#include "serve/api/errors.h"
#include "serve/api/generation.h"
#include "serve/api/json_text.h"
#include "serve/api/plans.h"
#include "serve/page.h"

namespace autoglm::serve {
namespace {

constexpr std::string_view kTenantHeader = "X-Tenant";

using Answer = std::shared_ptr<Exchange>;
// A route may take the request apart.
using RouteFunction = void (*)(const ServiceContext&, Request&, const Answer&);

Response json_response(const json::value& value) { return Response{.body = dump(value)}; }

Response busy_response() {
  return error_response(
      Error{ErrorCode::kResourceExhausted, "too many requests are waiting", "", "", ""});
}

// Answers that take work: on a queue, and only while the service takes requests.
void on_queue(const ServiceContext& context, WorkQueue& queue, const Answer& exchange,
              std::function<Result<void>()> work) {
  if (context.draining()) {
    exchange->respond(
        error_response(Error{ErrorCode::kUnavailable, "the server is shutting down", "", "", ""}));
    return;
  }
  auto task = [exchange, work = std::move(work)] {
    if (const Result<void> done = work(); !done) exchange->respond(error_response(done.error()));
  };
  if (!queue.run(std::move(task))) exchange->respond(busy_response());
}

template <Result<GenerationPlan> (*kPlan)(const ServiceContext&, std::string_view)>
void generate(const ServiceContext& context, Request& request, const Answer& exchange) {
  on_queue(context, *context.prepare, exchange,
           [&context, exchange, tenant = std::string(request.header(kTenantHeader)),
            body = std::move(request.body)]() -> Result<void> {
             GenerationPlan plan = AGLM_TRY(kPlan(context, body));
             // Whoever stands before us and knows its clients outranks what these say of
             // themselves.
             if (!tenant.empty()) {
               for (GenerationRequest& one : plan.requests) one.scheduling.tenant = tenant;
             }
             start_generation(context, exchange, std::move(plan.requests), plan.stream,
                              std::move(plan.format));
             return {};
           });
}

template <Result<json::value> (*kAnswer)(const ServiceContext&, std::string_view)>
void answer(const ServiceContext& context, Request& request, const Answer& exchange) {
  on_queue(context, *context.prepare, exchange,
           [&context, exchange, body = std::move(request.body)]() -> Result<void> {
             exchange->respond(json_response(AGLM_TRY(kAnswer(context, body))));
             return {};
           });
}

void embeddings(const ServiceContext& context, Request& request, const Answer& exchange) {
  auto gone = std::make_shared<std::atomic<bool>>(false);
  exchange->on_client_gone([gone] { *gone = true; });
  on_queue(context, *context.embeddings, exchange,
           [&context, exchange, gone, body = std::move(request.body)]() -> Result<void> {
             const EmbeddingPlan plan = AGLM_TRY(plan_embeddings(context, body));
             exchange->respond(json_response(
                 AGLM_TRY(answer_embeddings(context, plan, [gone] { return !*gone; }))));
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
    exchange->respond(
        error_response(Error{ErrorCode::kUnavailable, "the server is shutting down", "", "", ""}));
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
