// Ollama's routes: /api/chat and /api/generate, and what tells of models.
#include <fmt/format.h>

#include <string>
#include <utility>

#include "autoglm/version.h"
#include "base/utf8.h"
#include "serve/api/errors.h"
#include "serve/api/fields.h"
#include "serve/api/json_text.h"
#include "serve/api/ollama_format.h"
#include "serve/api/ollama_request.h"
#include "serve/api/plan_generation.h"
#include "serve/api/plans.h"

namespace autoglm::serve {
namespace {

using ReadRequest = Result<OllamaRequest> (*)(const ServiceContext&, const json::Fields&);

Result<GenerationPlan> plan(const ServiceContext& context, std::string_view body,
                            const RequestTask& task, bool chat, ReadRequest read) {
  const json::object object = AGLM_TRY(parse_body(body));
  const OllamaRequest request = AGLM_TRY(read(context, json::Fields(object, "")));
  OllamaStyle style{.chat = chat, .model = request.model};
  if (request.loads) {
    AGLM_TRY(check_model(context, json::Fields(request.openai, "")));
    return GenerationPlan{.at_once = ollama_loaded(style)};
  }
  const ChatDialect dialect{.id_prefix = "ollama-",
                            .format =
                                [style = std::move(style)](AnswerFacts facts, const ChatStyle&) {
                                  return ollama_format(std::move(facts), style);
                                },
                            .cuts_to_context = true};
  return request.completion ? plan_completions_request(context, request.openai, task, dialect)
                            : plan_chat_request(context, request.openai, task, dialect);
}

// "1.5B", "135M"
std::string size_name(int64_t parameters) {
  const auto n = static_cast<double>(parameters);
  return n >= 1e9 ? fmt::format("{:.1f}B", n / 1e9) : fmt::format("{:.0f}M", n / 1e6);
}

json::object details(const ModelInfo& info) {
  return {{"parent_model", ""},
          {"format", info.path.ends_with(".gguf") ? "gguf" : "safetensors"},
          {"family", info.architecture},
          {"families", json::array{json::value(info.architecture)}},
          {"parameter_size", size_name(info.parameters)},
          {"quantization_level", info.weight_format}};
}

// With a tag, as Ollama lists names.
std::string tagged(const std::string& name) {
  return name.find(':') == std::string::npos ? name + ":latest" : name;
}

json::object entry(const ServiceContext& context, const std::string& name) {
  const ModelInfo& info = context.backend->info();
  return {{"name", tagged(name)},
          {"model", tagged(name)},
          {"size", info.weight_bytes},
          {"digest", ""},
          {"details", details(info)}};
}

json::object sampling_json(const SamplingParams& sampling) {
  return {{"temperature", sampling.temperature},
          {"top_k", sampling.top_k},
          {"top_p", sampling.top_p},
          {"repeat_penalty", sampling.repetition_penalty}};
}

}  // namespace

Result<GenerationPlan> plan_ollama_chat(const ServiceContext& context, std::string_view body,
                                        const RequestTask& task) {
  Result<GenerationPlan> made = plan(context, body, task, true, read_ollama_chat);
  if (!made) return in_ollama_names(std::move(made).error());
  return made;
}

Result<GenerationPlan> plan_ollama_generate(const ServiceContext& context, std::string_view body,
                                            const RequestTask& task) {
  Result<GenerationPlan> made = plan(context, body, task, false, read_ollama_generate);
  if (!made) return in_ollama_names(std::move(made).error());
  return made;
}

json::value answer_ollama_tags(const ServiceContext& context) {
  json::array models;
  for (const std::string& name : context.model_names) {
    json::object one = entry(context, name);
    one["modified_at"] = rfc3339(context.created);
    models.push_back(std::move(one));
  }
  return json::object{{"models", std::move(models)}};
}

json::value answer_ollama_ps(const ServiceContext& context) {
  json::array models;
  for (const std::string& name : context.model_names) {
    json::object one = entry(context, name);
    one["expires_at"] = "9999-12-31T23:59:59Z";  // it stays
    one["size_vram"] = 0;
    one["context_length"] = context.backend->info().max_model_len;
    models.push_back(std::move(one));
  }
  return json::object{{"models", std::move(models)}};
}

json::value answer_ollama_version() { return json::object{{"version", kVersion}}; }

Result<std::string> answer_ollama_show(const ServiceContext& context, std::string_view body,
                                       const RequestTask&) {
  const json::object object = AGLM_TRY(parse_body(body));
  const json::Fields fields(object, "");
  // The older name.
  const std::string_view key = fields.find("model") == nullptr ? "name" : "model";
  const std::string asked = AGLM_TRY(required_string(fields, key));
  const json::object named{{"model", ollama_model_name(context, asked)}};
  AGLM_TRY(check_model(context, json::Fields(named, "")));
  const ModelInfo& info = context.backend->info();
  json::object model_info{{"general.architecture", info.architecture},
                          {"general.parameter_count", info.parameters}};
  model_info[info.architecture + ".context_length"] = info.max_model_len;
  model_info[info.architecture + ".embedding_length"] = info.hidden_size;
  model_info[info.architecture + ".block_count"] = info.layers;
  std::string parameters;
  for (const auto& one : sampling_json(info.default_sampling)) {
    parameters += fmt::format("{} {}\n", std::string_view(one.key()), dump(one.value()));
  }
  json::array capabilities{"completion"};
  if (info.has_chat_template && info.tool_call_format != "none") capabilities.push_back("tools");
  if (info.separates_reasoning) capabilities.push_back("thinking");
  return dump(json::object{{"modelfile", fmt::format("FROM {}\n", repair_utf8(asked))},
                           {"parameters", parameters},
                           {"template", ""},
                           {"details", details(info)},
                           {"model_info", std::move(model_info)},
                           {"capabilities", std::move(capabilities)},
                           {"modified_at", rfc3339(context.created)}});
}

}  // namespace autoglm::serve
