// The table of routes and the three ways in which they answer.
#include "serve/router.h"

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>

#include "autoglm/version.h"
#include "base/log.h"
#include "base/utf8.h"
#include "base/visible_text.h"
#include "serve/api/errors.h"
#include "serve/api/generation.h"
#include "serve/api/http_sinks.h"
#include "serve/api/json_text.h"
#include "serve/api/plans.h"
#include "serve/api/redacting_sink.h"
#include "serve/guarded.h"
#include "serve/key_rules.h"
#include "serve/page.h"
#include "serve/request_context.h"
#include "serve/tenancy.h"

namespace autoglm::serve {
namespace {

// One request that a route takes, and the way back.
struct Call {
  const ServiceContext& context;
  std::shared_ptr<Exchange> exchange;
  std::shared_ptr<RequestTask> task;
  ErrorForm errors = ErrorForm::kOpenAi;
};
// May take the request apart.
using RouteFunction = void (*)(const Call&, Request&);

void reply(const Call& call, Response response, const Usage& usage = {}) {
  call.task->finished(usage);
  call.exchange->respond(std::move(response));
}

void reply(const Call& call, const json::value& value) {
  reply(call, Response{.body = dump(value)});
}

void refuse(const Call& call, const Error& error, const Usage& usage = {}) {
  if (error.code == ErrorCode::kInternal) logger()->error("{}", error.message());
  call.task->failed({.error = error, .usage = usage});
  call.exchange->respond(error_response(error, call.errors));
}

void refuse(const Call& call, const guard::QuotaRefusal& refusal) {
  call.task->failed(
      {Error{ErrorCode::kResourceExhausted, "the tenant's quota is used up",
             std::string(guard::quota_name(refusal.quota)), "", "", ErrorReason::kQuota}});
  call.exchange->respond(quota_response(refusal, call.errors));
}

// Whether the tenant may have as much as the work may come to; where not, that has been answered.
bool reserve(const Call& call, int64_t bounded_tokens, int64_t unbounded_tokens) {
  guard::QuotaTicket* ticket = call.task->ticket();
  if (ticket == nullptr) return true;
  const auto refusal = ticket->reserve(bounded_tokens, unbounded_tokens);
  call.exchange->add_headers(ratelimit_headers(ticket->standing()));
  if (refusal) refuse(call, *refusal);
  return !refusal;
}

bool reserve(const Call& call, const std::vector<GenerationRequest>& requests) {
  const int64_t context = call.context.backend->info().max_model_len;
  int64_t bounded = 0;
  int64_t unbounded = 0;
  for (const GenerationRequest& request : requests) {
    const auto prompt = std::ssize(request.prompt);
    const int64_t room = context - prompt;
    const SamplingParams& sampling = request.sampling;
    bounded += prompt;
    (sampling.max_tokens ? bounded : unbounded) +=
        sampling.n * std::min(sampling.max_tokens.value_or(room), room);
  }
  return reserve(call, bounded, unbounded);
}

// No more urgent than the tenant's requests may be.
void limit_priority(const RequestTask& task, Scheduling& scheduling) {
  if (task.ticket() == nullptr || !task.ticket()->limits().priority) return;
  const int64_t most = std::min<int64_t>(*task.ticket()->limits().priority, 1'000'000);
  scheduling.priority = std::max(scheduling.priority, static_cast<int32_t>(most));
}

Error busy() {
  return Error{ErrorCode::kResourceExhausted, "too many requests are waiting", "", "", "",
               ErrorReason::kQueueFull};
}

Error shutting_down() {
  return Error{ErrorCode::kUnavailable, "the server is shutting down", "", "", ""};
}

// Work that waits for nobody but its tenant's, and nobody else for it.
void on_tenants_turn(FairQueue& queue, const std::string& tenant, const Call& call,
                     std::function<Result<void>()> work) {
  const bool taken = queue.run(tenant, [call, work = std::move(work)] {
    const Result<void> done =
        guarded([&] { return call.task->wanted() ? work() : Result<void>(not_wanted()); });
    if (!done) refuse(call, done.error());
  });
  if (!taken) refuse(call, busy());
}

// Answers that take work: only while the service takes requests, and only as long as the client is
// there.
void prepare(const Call& call, Request& request,
             std::function<Result<void>(const Request& request)> work) {
  if (call.context.draining()) return refuse(call, shutting_down());
  call.exchange->on_client_gone([weak = std::weak_ptr(call.task)] {
    if (const auto running = weak.lock()) running->cancel();
  });
  on_tenants_turn(*call.context.prepare, call.task->context().tenant, call,
                  [request = std::make_shared<const Request>(std::move(request)),
                   work = std::move(work)] { return work(*request); });
}

void run(const Call& call, GenerationPlan plan) {
  const auto make_sink = plan.stream ? sse_sink : json_sink;
  auto sink = make_sink(call.context, call.exchange, std::move(plan.format));
  if (plan.redaction) {
    sink = redacting_sink(*call.context.backend, std::move(plan.redaction), std::move(sink));
  }
  start_generation(call.context, call.task, std::move(plan.generation), std::move(sink));
}

// All prompts of a request have one form, which may be a new one.
void start(const Call& call, GenerationPlan plan) {
  const GenerationRequest& first = plan.generation.requests.front();
  if (call.context.backend->knows_form(*first.structured_output)) return run(call, std::move(plan));
  const std::string tenant = first.scheduling.tenant;
  const auto waiting = std::make_shared<GenerationPlan>(std::move(plan));
  on_tenants_turn(*call.context.grammars, tenant, call, [call, waiting]() -> Result<void> {
    run(call, std::move(*waiting));
    return {};
  });
}

template <Result<GenerationPlan> (*kPlan)(const ServiceContext&, std::string_view,
                                          const RequestTask&)>
void generate(const Call& call, Request& request) {
  prepare(call, request, [call](const Request& asked) -> Result<void> {
    std::string_view body = asked.body;
    std::shared_ptr<RequestRedaction> redaction;
    if (call.context.redaction) {
      redaction =
          std::make_shared<RequestRedaction>(*call.context.redaction, call.task->context().tenant);
      body = redaction->prompt(body);
    }
    GenerationPlan plan = AGLM_TRY(kPlan(call.context, body, *call.task));
    if (!plan.at_once.empty()) {
      reply(call, Response{.body = std::move(plan.at_once)});
      return {};
    }
    if (redaction) AGLM_TRY(redaction->check(*call.context.backend, plan.generation.requests));
    plan.redaction = std::move(redaction);
    for (GenerationRequest& one : plan.generation.requests) {
      limit_priority(*call.task, one.scheduling);
    }
    if (reserve(call, plan.generation.requests)) start(call, std::move(plan));
    return {};
  });
}

template <Result<std::string> (*kAnswer)(const ServiceContext&, std::string_view,
                                         const RequestTask&)>
void answer(const Call& call, Request& request) {
  prepare(call, request, [call](const Request& asked) -> Result<void> {
    std::string text = AGLM_TRY(kAnswer(call.context, asked.body, *call.task));
    reply(call, Response{.body = std::move(text)});
    return {};
  });
}

// Its results come on the engine's thread, which waits for nothing: they are written elsewhere.
Result<void> encode(const Call& call, EncodingPlan plan) {
  limit_priority(*call.task, plan.request.scheduling);
  Usage usage;
  for (const EncoderText& text : plan.request.texts) usage.prompt_tokens += std::ssize(text.tokens);
  if (!reserve(call, usage.prompt_tokens, 0)) return {};
  const auto write = [call, usage, answer = std::move(plan.answer)](
                         const Result<std::vector<std::vector<float>>>& results) {
    if (!results) return refuse(call, results.error());
    const Result<void> written = guarded([&]() -> Result<void> {
      reply(call, Response{.body = answer(*results, usage)}, usage);
      return {};
    });
    if (!written) refuse(call, written.error(), usage);
  };
  const GenerationHandle handle = AGLM_TRY(call.context.backend->submit_encoding(
      std::move(plan.request), [call, write](Result<std::vector<std::vector<float>>> results) {
        const auto kept =
            std::make_shared<const Result<std::vector<std::vector<float>>>>(std::move(results));
        if (!call.context.long_answers->run([write, kept] { write(*kept); })) {
          refuse(call, not_wanted());
        }
      }));
  call.task->on_cancel([handle] { handle.cancel(); });
  return {};
}

template <Result<EncodingPlan> (*kPlan)(const ServiceContext&, std::string_view,
                                        const RequestTask&)>
void encode_texts(const Call& call, Request& request) {
  prepare(call, request, [call](const Request& asked) -> Result<void> {
    EncodingPlan plan = AGLM_TRY(kPlan(call.context, asked.body, *call.task));
    return encode(call, std::move(plan));
  });
}

void embeddings(const Call& call, Request& request) {
  if (call.context.backend->info().encoder) {
    return encode_texts<plan_encoder_embeddings>(call, request);
  }
  prepare(call, request, [call](const Request& asked) -> Result<void> {
    EmbeddingPlan plan = AGLM_TRY(plan_embeddings(call.context, asked.body, *call.task));
    limit_priority(*call.task, plan.scheduling);
    int64_t n_tokens = 0;
    for (const std::vector<TokenId>& input : plan.inputs) n_tokens += std::ssize(input);
    if (!reserve(call, n_tokens, 0)) return {};
    const std::string owner = plan.scheduling.tenant;
    on_tenants_turn(*call.context.embeddings, owner, call,
                    [call, held = asked.held, plan = std::move(plan)]() -> Result<void> {
                      Usage usage;
                      Result<std::string> text =
                          answer_embeddings(call.context, plan, *call.task, usage);
                      if (text) {
                        reply(call, Response{.body = *std::move(text)}, usage);
                      } else {
                        refuse(call, text.error(), usage);
                      }
                      return {};
                    });
    return {};
  });
}

void usage(const Call& call, Request& request) {
  prepare(call, request, [call](const Request& asked) -> Result<void> {
    std::string text = AGLM_TRY(answer_usage(call.context, asked.query));
    reply(call, Response{.body = std::move(text)});
    return {};
  });
}

// Whether the tenant may use any of the names under which the model is served.
bool may_use_model(const ServiceContext& context, const guard::TenantLimits& limits) {
  return limits.models.empty() || std::ranges::any_of(context.model_names, [&](const auto& name) {
           return std::ranges::find(limits.models, name) != limits.models.end();
         });
}

// In the words of a model that there is not: who may not use it need not know of it.
Error no_such_model(std::string_view name) {
  return Error{ErrorCode::kNotFound,
               "this model is not served here, or not to this key",
               "model",
               "",
               repair_utf8(utf8_prefix(name, 100)),
               ErrorReason::kUnknownModel};
}

// Of the thread that takes requests.
Result<bool> may_see_models(const Call& call) {
  const RequestContext& asked = call.task->context();
  if (asked.key_id.empty()) return true;
  return may_use_model(call.context, AGLM_TRY(call.context.tenancy->limits_of(asked.tenant)));
}

void models(const Call& call, Request& request) {
  const Result<bool> may = may_see_models(call);
  if (!may) return refuse(call, may.error());
  // Anthropic's clients ask at the same place, for a list of another shape.
  const bool anthropic = !request.header("anthropic-version").empty();
  json::value all = anthropic ? answer_anthropic_models(call.context) : answer_models(call.context);
  if (!*may) all.as_object()["data"] = json::array();
  reply(call, all);
}

// Ollama's lists of models.
template <json::value (*kList)(const ServiceContext&)>
void ollama_models(const Call& call, Request&) {
  const Result<bool> may = may_see_models(call);
  if (!may) return refuse(call, may.error());
  json::value all = kList(call.context);
  if (!*may) all.as_object()["models"] = json::array();
  reply(call, all);
}

void ollama_version(const Call& call, Request&) { reply(call, answer_ollama_version()); }

// Paths with an id in them: "/v1/models/{id}".
constexpr std::string_view kId = "{id}";

// What of `path` stands at the id's place of `pattern`; empty: it is no such path.
std::string_view id_in(std::string_view pattern, std::string_view path) {
  const size_t at = pattern.find(kId);
  const std::string_view before = pattern.substr(0, at);
  const std::string_view behind = pattern.substr(at + kId.size());
  if (path.size() <= before.size() + behind.size() || !path.starts_with(before) ||
      !path.ends_with(behind)) {
    return {};
  }
  return path.substr(before.size(), path.size() - before.size() - behind.size());
}

constexpr std::string_view kModelPath = "/v1/models/{id}";
constexpr std::string_view kResponsePath = "/v1/responses/{id}";
constexpr std::string_view kResponseInputPath = "/v1/responses/{id}/input_items";

// One of what is kept for the asker.
template <std::string_view const& kPath,
          Result<std::string> (*kAnswer)(const ServiceContext&, const RequestContext&,
                                         const std::string&)>
void kept(const Call& call, Request& request) {
  Result<std::string> text =
      kAnswer(call.context, call.task->context(), std::string(id_in(kPath, request.path)));
  if (!text) return refuse(call, text.error());
  reply(call, Response{.body = *std::move(text)});
}

void model(const Call& call, Request& request) {
  const std::string_view name = id_in(kModelPath, request.path);
  const Result<bool> may = may_see_models(call);
  if (!may) return refuse(call, may.error());
  if (!*may) return refuse(call, no_such_model(name));
  const Result<json::value> found = answer_model(call.context, name);
  if (!found) return refuse(call, found.error());
  reply(call, *found);
}

void health(const Call& call, Request&) { reply(call, json::object{{"status", "ok"}}); }

void ready(const Call& call, Request&) {
  if (call.context.draining()) return refuse(call, shutting_down());
  reply(call, json::object{{"status", "ready"}});
}

void version_route(const Call& call, Request&) { reply(call, json::object{{"version", kVersion}}); }

void metrics(const Call& call, Request&) {
  call.context.metrics->update(call.context.backend->stats());
  reply(call, Response{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                       .body = call.context.metrics->text()});
}

void page(const Call& call, Request&) {
  if (!call.context.chat_page) {
    call.task->finished({});
    call.exchange->respond(error_response(
        ApiError{.status = 404, .message = "there is no page here", .code = "unknown_url"}));
    return;
  }
  reply(call, chat_page_response());
}

// Who may: everybody, also where keys are asked for, or a key with that scope. Nothing is for
// everybody by not saying so.
struct Who {
  bool everybody = false;
  guard::Scope scope = guard::Scope::kInference;
};
constexpr Who kEverybody{.everybody = true};
constexpr Who kInference{.scope = guard::Scope::kInference};
constexpr Who kMetricsReaders{.scope = guard::Scope::kMetrics};
constexpr Who kAdmins{.scope = guard::Scope::kAdmin};

struct Route {
  std::string_view method;
  std::string_view path;
  Who who;
  RouteFunction run;
  ErrorForm errors = ErrorForm::kOpenAi;
};

constexpr std::array kRoutes = {
    Route{"GET", "/", kEverybody, page},
    Route{"GET", "/health", kEverybody, health},
    Route{"GET", "/ready", kEverybody, ready},
    Route{"GET", "/version", kInference, version_route},
    Route{"GET", "/metrics", kMetricsReaders, metrics},
    Route{"GET", "/v1/models", kInference, models},
    Route{"GET", "/v1/organization/usage/completions", kAdmins, usage},
    Route{"POST", "/infer", kInference, generate<plan_infer>},
    Route{"POST", "/v1/chat/completions", kInference, generate<plan_chat>},
    Route{"POST", "/v1/completions", kInference, generate<plan_completions>},
    Route{"POST", "/v1/responses", kInference, generate<plan_responses>},
    Route{"POST", "/v1/responses/input_tokens", kInference, answer<answer_response_tokens>},
    Route{"POST", "/v1/messages", kInference, generate<plan_messages>, ErrorForm::kAnthropic},
    Route{"POST", "/v1/messages/count_tokens", kInference, answer<answer_count_tokens>,
          ErrorForm::kAnthropic},
    Route{"POST", "/v1/embeddings", kInference, embeddings},
    Route{"POST", "/api/chat", kInference, generate<plan_ollama_chat>, ErrorForm::kOllama},
    Route{"POST", "/api/generate", kInference, generate<plan_ollama_generate>, ErrorForm::kOllama},
    Route{"POST", "/api/show", kInference, answer<answer_ollama_show>, ErrorForm::kOllama},
    Route{"GET", "/api/tags", kInference, ollama_models<answer_ollama_tags>, ErrorForm::kOllama},
    Route{"GET", "/api/ps", kInference, ollama_models<answer_ollama_ps>, ErrorForm::kOllama},
    Route{"GET", "/api/version", kInference, ollama_version, ErrorForm::kOllama},
    Route{"POST", "/classify", kInference, encode_texts<plan_classify>},
    Route{"POST", "/score", kInference, encode_texts<plan_score>},
    Route{"POST", "/v1/score", kInference, encode_texts<plan_score>},
    Route{"POST", "/rerank", kInference, encode_texts<plan_rerank>},
    Route{"POST", "/v1/rerank", kInference, encode_texts<plan_rerank>},
    Route{"POST", "/v2/rerank", kInference, encode_texts<plan_rerank>},
    Route{"POST", "/tokenize", kInference, answer<answer_tokenize>},
    Route{"POST", "/detokenize", kInference, answer<answer_detokenize>},
    Route{"POST", "/apply-template", kInference, answer<answer_apply_template>},
};
// After those without an id. A model's may have slashes in it, others have none.
constexpr std::array kItemRoutes = {
    Route{"GET", kModelPath, kInference, model},
    Route{"GET", kResponseInputPath, kInference, kept<kResponseInputPath, answer_response_input>},
    Route{"GET", kResponsePath, kInference, kept<kResponsePath, answer_response>},
    Route{"DELETE", kResponsePath, kInference, kept<kResponsePath, delete_response>},
};

bool is_at(const Route& route, std::string_view path) {
  const std::string_view id = id_in(route.path, path);
  return !id.empty() && (route.path == kModelPath || id.find('/') == id.npos);
}

// The routes of a path: one for each method, the next ones behind it.
std::span<const Route> find_routes(std::string_view path) {
  for (const Route& candidate : kRoutes) {
    if (candidate.path == path) return {&candidate, 1};
  }
  const auto* first =
      std::ranges::find_if(kItemRoutes, [&](const Route& one) { return is_at(one, path); });
  const auto* end = std::find_if(first, kItemRoutes.end(),
                                 [&](const Route& one) { return one.path != first->path; });
  return {first, end};
}

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

// Whose clients ask at `path`, also where there is no route.
ErrorForm error_form(const Route* found, std::string_view path) {
  if (found != nullptr) return found->errors;
  if (path.starts_with("/api/")) return ErrorForm::kOllama;
  return path.starts_with("/v1/messages") ? ErrorForm::kAnthropic : ErrorForm::kOpenAi;
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
    response = error_response(
        ApiError{.status = 405,
                 .message = std::string(found->path) + " takes " + std::string(found->method) +
                            ", not " + repair_utf8(utf8_prefix(request.method, 20)),
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

size_t n_routes() {
  size_t n = kRoutes.size();
  for (size_t i = 0; i < kItemRoutes.size(); ++i) {
    n += i == 0 || kItemRoutes[i].path != kItemRoutes[i - 1].path ? 1 : 0;
  }
  return n;
}

std::string_view method_label(std::string_view method) {
  static constexpr std::array<std::string_view, 5> kKnown = {"GET", "POST", "HEAD", "OPTIONS",
                                                             "DELETE"};
  const auto* known = std::find(kKnown.begin(), kKnown.end(), method);
  return known == kKnown.end() ? "other" : *known;
}

}  // namespace autoglm::serve
