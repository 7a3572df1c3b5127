#include "serve/routes.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "autoglm/version.h"
#include "serve/api/json_text.h"
#include "serve/page.h"
#include "serve/tenancy.h"

namespace autoglm::serve {
namespace {

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

template <Result<EncodingPlan> (*kPlan)(const ServiceContext&, std::string_view,
                                        const RequestTask&)>
void encode_texts(const Call& call, Request& request) {
  prepare(call, request, [call](const Request& asked) -> Result<void> {
    EncodingPlan plan = AGLM_TRY(kPlan(call.context, asked.body, *call.task));
    return start(call, std::move(plan));
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

constexpr Who kEverybody{.everybody = true};
constexpr Who kInference{.scope = guard::Scope::kInference};
constexpr Who kMetricsReaders{.scope = guard::Scope::kMetrics};
constexpr Who kAdmins{.scope = guard::Scope::kAdmin};

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

}  // namespace

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

ErrorForm error_form(const Route* found, std::string_view path) {
  if (found != nullptr) return found->errors;
  if (path.starts_with("/api/")) return ErrorForm::kOllama;
  return path.starts_with("/v1/messages") ? ErrorForm::kAnthropic : ErrorForm::kOpenAi;
}

size_t n_paths() {
  size_t n = kRoutes.size();
  for (size_t i = 0; i < kItemRoutes.size(); ++i) {
    n += i == 0 || kItemRoutes[i].path != kItemRoutes[i - 1].path ? 1 : 0;
  }
  return n;
}

}  // namespace autoglm::serve
