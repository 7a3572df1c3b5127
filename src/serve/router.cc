#include "serve/router.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>

#include "base/log.h"
#include "base/utf8.h"
#include "base/visible_text.h"
#include "serve/key_rules.h"
#include "serve/request_context.h"
#include "serve/routes.h"
#include "serve/tenancy.h"

namespace autoglm::serve {
namespace {

// That which takes the method; else the first, if there is any.
const Route* route_for(std::span<const Route> routes, std::string_view method) {
  for (const Route& one : routes) {
    if (one.method == method || (one.method == "GET" && method == "HEAD")) return &one;
  }
  return routes.empty() ? nullptr : routes.data();
}

// "GET, HEAD, OPTIONS"
std::string allowed_methods(std::span<const Route> routes) {
  std::string methods;
  for (const Route& one : routes) {
    methods += one.method == "GET" ? "GET, HEAD, " : std::string(one.method) + ", ";
  }
  return methods + "OPTIONS";
}

// A request that its route takes: counted first, where keys are asked for and it is work.
void take(const ServiceContext& context, const Route& route, Request& request,
          const guard::Principal& principal, const std::shared_ptr<Exchange>& exchange) {
  RequestContext asked = request_context(request, route.path, principal);
  asked.client = context.proxies.client_address(request);
  Result<guard::Admission> admission = guard::Admission{};
  const bool counted = principal.proved && route.method == "POST";
  if (const Result<void> named = guard::check_word("X-Tenant-ID", asked.tenant);
      !named && asked.tenant_outranks) {
    exchange->respond(error_response(named.error(), route.errors));
    return;
  }
  logger()->debug("{}: {} by {} of tenant {} from {}", asked.id, asked.route,
                  asked.principal.empty() ? "nobody known" : asked.principal,
                  asked.tenant.empty() ? "none" : visible(asked.tenant), asked.client);
  if (counted) admission = context.tenancy->admit(asked, context.model_name());
  auto ticket = admission ? std::move(admission->ticket) : nullptr;
  const Call call{context, exchange,
                  context.tasks.begin(std::move(asked), context.observers, ticket), route.errors};
  if (!admission) {
    logger()->error("limits cannot be read: {}", admission.error().message());
    return refuse(call, Error{ErrorCode::kUnavailable, "limits cannot be checked now", "", "", ""});
  }
  if (counted) exchange->add_headers(ratelimit_headers(admission->standing));
  if (admission->refusal) return refuse(call, *admission->refusal);
  if (ticket != nullptr && !may_use_model(context, ticket->limits())) {
    return refuse(call, no_such_model(spelled_member(request.body, "model")));
  }
  route.run(call, request);
}

}  // namespace

void route(const ServiceContext& context, Request request,
           const std::shared_ptr<Exchange>& exchange) {
  const std::span<const Route> routes = find_routes(request.path);
  const Route* found = route_for(routes, request.method);
  const ErrorForm form = error_form(found, request.path);
  // Its clients look for the id there.
  if (form == ErrorForm::kAnthropic) exchange->add_headers({{"request-id", request.id}});
  if (const std::optional<ApiError> refusal =
          access_refusal(context.access, request, context.gate.closed())) {
    exchange->respond(error_response(*refusal, form));
    return;
  }
  // A preflight carries no key, and asks for nothing but whether one may ask.
  const bool everybody = request.method == "OPTIONS" || (found != nullptr && found->who.everybody);
  const guard::Scope scope = found != nullptr ? found->who.scope : guard::Scope::kInference;
  guard::Principal principal;
  if (!everybody) {
    auto admitted = context.gate.admit(shown_key(request), scope);
    if (const auto* refusal = std::get_if<guard::Refusal>(&admitted)) {
      exchange->respond(refusal_response(*refusal, scope, form));
      return;
    }
    principal = std::get<guard::Principal>(std::move(admitted));
    // Without keys only this machine may ask, and this comes from another one.
    if (!principal.proved && context.forwarded_needs_key && is_forwarded(request)) {
      exchange->respond(forwarded_response(form));
      return;
    }
  }
  if (found == nullptr) {
    if (request.method == "OPTIONS" && request.path == "*") {
      exchange->respond(Response{.status = 204, .content_type = ""});
      return;
    }
    exchange->respond(error_response(
        ApiError{.status = 404,
                 .message = "there is no " + repair_utf8(utf8_prefix(request.method, 20)) + " " +
                            repair_utf8(utf8_prefix(request.path, 100)),
                 .code = "unknown_url"},
        form));
    return;
  }
  const bool get = found->method == "GET";
  if (request.method == found->method || (get && request.method == "HEAD")) {
    take(context, *found, request, principal, exchange);
    return;
  }
  const std::string allow = allowed_methods(routes);
  Response response{.status = 204, .content_type = ""};
  if (request.method != "OPTIONS") {
    response =
        error_response(ApiError{.status = 405,
                                .message = std::string(found->path) + " takes " + allow + ", not " +
                                           repair_utf8(utf8_prefix(request.method, 20)),
                                .code = "method_not_allowed"},
                       form);
  }
  response.headers.push_back({"Allow", allow});
  exchange->respond(std::move(response));
}

std::string_view route_label(std::string_view path) {
  const std::span<const Route> found = find_routes(path);
  return found.empty() ? "other" : found.front().path;
}

size_t n_routes() { return n_paths(); }

std::string_view method_label(std::string_view method) {
  static constexpr std::array<std::string_view, 5> kKnown = {"GET", "POST", "HEAD", "OPTIONS",
                                                             "DELETE"};
  const auto* known = std::find(kKnown.begin(), kKnown.end(), method);
  return known == kKnown.end() ? "other" : *known;
}

}  // namespace autoglm::serve
