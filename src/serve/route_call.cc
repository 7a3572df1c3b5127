#include "serve/route_call.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/utf8.h"
#include "serve/api/generation.h"
#include "serve/api/http_sinks.h"
#include "serve/api/json_text.h"
#include "serve/api/redacting_sink.h"
#include "serve/guarded.h"
#include "serve/tenancy.h"

namespace autoglm::serve {
namespace {

Error busy() {
  return Error{ErrorCode::kResourceExhausted, "too many requests are waiting", "", "", "",
               ErrorReason::kQueueFull};
}

void run(const Call& call, GenerationPlan plan) {
  const auto make_sink = plan.stream ? sse_sink : json_sink;
  auto sink = make_sink(call.context, call.exchange, std::move(plan.format));
  if (plan.redaction) {
    const auto kind = plan.generation.requests.front().structured_output->kind;
    const bool json =
        kind == StructuredOutput::Kind::kJson || kind == StructuredOutput::Kind::kJsonObject;
    sink = redacting_sink(*call.context.backend, json, std::move(plan.redaction), std::move(sink));
  }
  start_generation(call.context, call.task, std::move(plan.generation), std::move(sink));
}

}  // namespace

void reply(const Call& call, Response response, const Usage& usage) {
  call.task->finished(usage);
  call.exchange->respond(std::move(response));
}

void reply(const Call& call, const json::value& value) {
  reply(call, Response{.body = dump(value)});
}

void refuse(const Call& call, const Error& error, const Usage& usage) {
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

void limit_priority(const RequestTask& task, Scheduling& scheduling) {
  if (task.ticket() == nullptr || !task.ticket()->limits().priority) return;
  const int64_t most = std::min<int64_t>(*task.ticket()->limits().priority, 1'000'000);
  scheduling.priority = std::max(scheduling.priority, static_cast<int32_t>(most));
}

Error shutting_down() {
  return Error{ErrorCode::kUnavailable, "the server is shutting down", "", "", ""};
}

void on_tenants_turn(FairQueue& queue, const std::string& tenant, const Call& call,
                     std::function<Result<void>()> work) {
  const bool taken = queue.run(tenant, [call, work = std::move(work)] {
    const Result<void> done =
        guarded([&] { return call.task->wanted() ? work() : Result<void>(not_wanted()); });
    if (!done) refuse(call, done.error());
  });
  if (!taken) refuse(call, busy());
}

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

// Its results come on the engine's thread, which waits for nothing: they are written elsewhere.
Result<void> start(const Call& call, EncodingPlan plan) {
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

bool may_use_model(const ServiceContext& context, const guard::TenantLimits& limits) {
  return limits.models.empty() || std::ranges::any_of(context.model_names, [&](const auto& name) {
           return std::ranges::find(limits.models, name) != limits.models.end();
         });
}

Error no_such_model(std::string_view name) {
  return Error{ErrorCode::kNotFound,
               "this model is not served here, or not to this key",
               "model",
               "",
               repair_utf8(utf8_prefix(name, 100)),
               ErrorReason::kUnknownModel};
}

}  // namespace autoglm::serve
