// /v1/embeddings.
#include <fmt/format.h>

#include <bit>
#include <future>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "base/base64.h"
#include "base/utf8.h"
#include "serve/api/errors.h"
#include "serve/api/fields.h"
#include "serve/api/json_text.h"
#include "serve/api/plans.h"
#include "serve/api/prompts.h"
#include "serve/api/sampling.h"

namespace autoglm::serve {
namespace {

constexpr size_t kMaxInputs = 2048;  // OpenAI's limit

// RFC 4648, of the little-endian floats: what OpenAI's clients ask for by default.
std::string base64_of(const std::vector<float>& values) {
  static_assert(std::endian::native == std::endian::little);
  return encode_base64(std::as_bytes(std::span(values)));
}

}  // namespace

Result<EmbeddingPlan> plan_embeddings(const ServiceContext& context, std::string_view body,
                                      const RequestTask& task) {
  const json::object object = AGLM_TRY(parse_body(body));
  const json::Fields fields(object, "");
  const ModelInfo& model = context.backend->info();
  AGLM_TRY(check_model(context, fields));
  if (fields.find("dimensions") != nullptr) {
    return not_offered("dimensions", "embeddings of this model cannot be shortened");
  }
  EmbeddingPlan plan;
  const std::string format = AGLM_TRY(fields.string_or("encoding_format", "float"));
  if (format != "float" && format != "base64") {
    return bad_field("encoding_format", "not a format", "\"float\" or \"base64\"",
                     repair_utf8(utf8_prefix(format, 40)));
  }
  plan.base64 = format == "base64";
  const bool add_special = AGLM_TRY(boolean_field(fields, "add_special_tokens", true));
  plan.scheduling = AGLM_TRY(read_scheduling(fields, task.context()));
  for (const Prompt& input :
       AGLM_TRY(read_prompts(fields, "input", kMaxInputs, model.vocab_size))) {
    if (!task.wanted()) return not_wanted();
    std::vector<TokenId> ids = AGLM_TRY(prompt_ids(*context.backend, input, add_special, "input"));
    if (std::ssize(ids) > model.max_model_len) {
      return context_too_long("input", model.max_model_len, std::ssize(ids),
                              fmt::format("a text of the input came to {}", ids.size()));
    }
    plan.inputs.push_back(std::move(ids));
  }
  return plan;
}

namespace {

// One pass through the model; with the task its request to the engine ends.
Result<std::vector<float>> embed(const ModelBackend& backend, const std::vector<TokenId>& tokens,
                                 const Scheduling& scheduling, RequestTask& task) {
  // Shared: the engine's thread may still be leaving the callback when this one is awake.
  const auto promise = std::make_shared<std::promise<Result<std::vector<float>>>>();
  auto embedding = promise->get_future();
  const GenerationHandle handle = AGLM_TRY(backend.submit_embedding(
      tokens, scheduling, [promise](auto result) { promise->set_value(std::move(result)); }));
  task.on_cancel([handle] { handle.cancel(); });
  Result<std::vector<float>> result = embedding.get();
  task.on_cancel(nullptr);
  return result;
}

}  // namespace

Result<std::string> answer_embeddings(const ServiceContext& context, const EmbeddingPlan& plan,
                                      RequestTask& task, Usage& usage) {
  std::string answer = "{\"object\":\"list\",\"data\":[";
  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    if (!task.wanted()) return not_wanted();
    const std::vector<float> values =
        AGLM_TRY(embed(*context.backend, plan.inputs[i], plan.scheduling, task));
    usage.prompt_tokens += std::ssize(plan.inputs[i]);
    if (i > 0) answer += ',';
    fmt::format_to(std::back_inserter(answer),
                   "{{\"object\":\"embedding\",\"index\":{},\"embedding\":", i);
    if (plan.base64) {
      append_string(answer, base64_of(values));
    } else {
      fmt::format_to(std::back_inserter(answer), "[{}]", fmt::join(values, ","));
    }
    answer += '}';
  }
  answer += "]}";
  add_member(answer, "model", json::value(context.model_name()));
  add_member(
      answer, "usage",
      json::object{{"prompt_tokens", usage.prompt_tokens}, {"total_tokens", usage.prompt_tokens}});
  return answer;
}

}  // namespace autoglm::serve
