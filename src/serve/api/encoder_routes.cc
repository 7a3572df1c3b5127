// /v1/embeddings of an encoder, and /classify.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/base64.h"
#include "base/utf8.h"
#include "serve/api/encoder_plan.h"
#include "serve/api/errors.h"
#include "serve/api/fields.h"
#include "serve/api/json_text.h"
#include "serve/api/sampling.h"

namespace autoglm::serve {
namespace {

using Results = std::vector<std::vector<float>>;

Result<std::optional<int64_t>> read_dimensions(const json::Fields& fields, const ModelInfo& model) {
  const auto wanted = AGLM_TRY(integer_field(fields, "dimensions", 1, model.hidden_size));
  if (!wanted || *wanted == model.hidden_size) return std::optional<int64_t>();
  const EncoderInfo& encoder = *model.encoder;
  if (!encoder.shortens) {
    return not_offered("dimensions",
                       "vectors of this model cannot be shortened: it was not trained"
                       " for that (Matryoshka)");
  }
  if (!encoder.dimensions.empty() && !std::ranges::count(encoder.dimensions, *wanted)) {
    return bad_field("dimensions", "not a length that the model was trained for",
                     fmt::format("{}", fmt::join(encoder.dimensions, ", ")),
                     fmt::format("{}", *wanted));
  }
  return wanted;
}

Result<bool> is_base64(const json::Fields& fields) {
  const std::string format = AGLM_TRY(fields.string_or("encoding_format", "float"));
  if (format == "float" || format == "base64") return format == "base64";
  return bad_field("encoding_format", "not a format", "\"float\" or \"base64\"",
                   repair_utf8(utf8_prefix(format, 40)));
}

Result<std::optional<bool>> optional_flag(const json::Fields& fields, std::string_view key) {
  if (fields.find(key) == nullptr) return std::optional<bool>();
  return std::optional(AGLM_TRY(boolean_field(fields, key, false)));
}

// `input` of both routes.
Result<EncodingRequest> read_input(const ServiceContext& context, const json::Fields& fields,
                                   const RequestTask& task) {
  const ModelInfo& model = context.backend->info();
  EncodingRequest request;
  const EncoderTextOptions options = AGLM_TRY(read_text_options(fields, model));
  request.scheduling = AGLM_TRY(read_scheduling(fields, task.context()));
  request.request_id = task.context().id;
  for (const Prompt& input : AGLM_TRY(read_prompts(fields, "input", kMaxTexts, model.vocab_size))) {
    if (!task.wanted()) return not_wanted();
    request.texts.push_back(AGLM_TRY(read_text(*context.backend, input, options, "input")));
  }
  return request;
}

std::string embeddings_answer(const ServiceContext& context, const Results& results,
                              const Usage& usage, bool base64) {
  std::string answer = "{\"object\":\"list\",\"data\":[";
  for (size_t i = 0; i < results.size(); ++i) {
    if (i > 0) answer += ',';
    fmt::format_to(std::back_inserter(answer),
                   "{{\"object\":\"embedding\",\"index\":{},\"embedding\":", i);
    if (base64) {
      append_string(answer, encode_base64(std::as_bytes(std::span(results[i]))));
    } else {
      fmt::format_to(std::back_inserter(answer), "[{}]", fmt::join(results[i], ","));
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

std::string classify_answer(const ServiceContext& context, const Results& results,
                            const Usage& usage) {
  const std::vector<std::string>& labels = context.backend->info().encoder->labels;
  std::string answer = answer_head(context, "classify-", "list");
  add_member(answer, "data", [&](std::string& out) {
    out += '[';
    for (size_t i = 0; i < results.size(); ++i) {
      if (i > 0) out += ',';
      const auto best = std::ranges::max_element(results[i]) - results[i].begin();
      fmt::format_to(std::back_inserter(out), "{{\"index\":{},\"label\":", i);
      append_string(out, labels[static_cast<size_t>(best)]);
      fmt::format_to(std::back_inserter(out), ",\"probs\":[{}],\"num_classes\":{}}}",
                     fmt::join(results[i], ","), labels.size());
    }
    out += ']';
  });
  add_member(answer, "usage", text_usage(usage));
  return answer;
}

}  // namespace

Result<EncodingPlan> plan_encoder_embeddings(const ServiceContext& context, std::string_view body,
                                             const RequestTask& task) {
  const ModelInfo& model = context.backend->info();
  const json::object object = AGLM_TRY(parse_body(body));
  const json::Fields fields(object, "");
  AGLM_TRY(check_model(context, fields));
  if (!model.encoder->labels.empty()) return no_such_api("Embeddings");
  const bool base64 = AGLM_TRY(is_base64(fields));
  const auto dimensions = AGLM_TRY(read_dimensions(fields, model));
  const auto normalize = AGLM_TRY(optional_flag(fields, "normalize"));
  EncodingPlan plan;
  plan.request = AGLM_TRY(read_input(context, fields, task));
  plan.request.dimensions = dimensions;
  plan.request.normalize = normalize;
  plan.answer = [&context, base64](const Results& results, const Usage& usage) {
    return embeddings_answer(context, results, usage, base64);
  };
  return plan;
}

Result<EncodingPlan> plan_classify(const ServiceContext& context, std::string_view body,
                                   const RequestTask& task) {
  const ModelInfo& model = context.backend->info();
  const json::object object = AGLM_TRY(parse_body(body));
  const json::Fields fields(object, "");
  AGLM_TRY(check_model(context, fields));
  if (!model.encoder || model.encoder->labels.empty()) return no_such_api("Classification");
  const auto activate = AGLM_TRY(optional_flag(fields, "use_activation"));
  const auto old_name = AGLM_TRY(optional_flag(fields, "activation"));
  EncodingPlan plan;
  plan.request = AGLM_TRY(read_input(context, fields, task));
  plan.request.activate = activate.value_or(old_name.value_or(true));
  plan.answer = [&context](const Results& results, const Usage& usage) {
    return classify_answer(context, results, usage);
  };
  return plan;
}

}  // namespace autoglm::serve
