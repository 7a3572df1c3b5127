// Request bodies to what has to be done, one function a route; nothing is begun here. Called on the
// work queues' threads. Fuzzed as a whole.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/encoding.h"
#include "autoglm/generation.h"
#include "base/json.h"
#include "serve/api/answer_format.h"
#include "serve/api/generation.h"
#include "serve/context.h"
#include "serve/redaction.h"
#include "serve/request_context.h"
#include "serve/request_task.h"

namespace autoglm::serve {

struct GenerationPlan {
  std::string at_once;  // an answer that needs no generation; there is nothing else then
  Generation generation;
  bool stream = false;
  std::unique_ptr<AnswerFormat> format;
  std::shared_ptr<const RequestRedaction> redaction;  // nullptr: none
};

// `task` says whose the request is; what takes long looks now and then whether it is still wanted.
Result<GenerationPlan> plan_chat(const ServiceContext& context, std::string_view body,
                                 const RequestTask& task);
Result<GenerationPlan> plan_completions(const ServiceContext& context, std::string_view body,
                                        const RequestTask& task);
// Anthropic's /v1/messages.
Result<GenerationPlan> plan_messages(const ServiceContext& context, std::string_view body,
                                     const RequestTask& task);
// OpenAI's /v1/responses.
Result<GenerationPlan> plan_responses(const ServiceContext& context, std::string_view body,
                                      const RequestTask& task);
// Ollama's /api/chat and /api/generate.
Result<GenerationPlan> plan_ollama_chat(const ServiceContext& context, std::string_view body,
                                        const RequestTask& task);
Result<GenerationPlan> plan_ollama_generate(const ServiceContext& context, std::string_view body,
                                            const RequestTask& task);
Result<GenerationPlan> plan_infer(const ServiceContext& context, std::string_view body,
                                  const RequestTask& task);

// Routes that answer at once: the answer's JSON text.
Result<std::string> answer_tokenize(const ServiceContext& context, std::string_view body,
                                    const RequestTask& task);
Result<std::string> answer_detokenize(const ServiceContext& context, std::string_view body,
                                      const RequestTask& task);
Result<std::string> answer_apply_template(const ServiceContext& context, std::string_view body,
                                          const RequestTask& task);
// Anthropic's /v1/messages/count_tokens.
Result<std::string> answer_count_tokens(const ServiceContext& context, std::string_view body,
                                        const RequestTask& task);
// OpenAI's /v1/responses/input_tokens.
Result<std::string> answer_response_tokens(const ServiceContext& context, std::string_view body,
                                           const RequestTask& task);
// Of the response with that id, if it is the asker's: itself, the items that it answered, its end.
Result<std::string> answer_response(const ServiceContext& context, const RequestContext& request,
                                    const std::string& id);
Result<std::string> answer_response_input(const ServiceContext& context,
                                          const RequestContext& request, const std::string& id);
Result<std::string> delete_response(const ServiceContext& context, const RequestContext& request,
                                    const std::string& id);
// Ollama's /api/show, tags, ps and version.
Result<std::string> answer_ollama_show(const ServiceContext& context, std::string_view body,
                                       const RequestTask& task);
json::value answer_ollama_tags(const ServiceContext& context);
json::value answer_ollama_ps(const ServiceContext& context);
json::value answer_ollama_version();
// `query`: of the request. Who has had what; precondition: the context has a tenancy.
Result<std::string> answer_usage(const ServiceContext& context, std::string_view query);
json::value answer_models(const ServiceContext& context);
json::value answer_anthropic_models(const ServiceContext& context);
Result<json::value> answer_model(const ServiceContext& context, std::string_view name);

struct EmbeddingPlan {
  std::vector<std::vector<TokenId>> inputs;
  bool base64 = false;
  Scheduling scheduling;
};
Result<EmbeddingPlan> plan_embeddings(const ServiceContext& context, std::string_view body,
                                      const RequestTask& task);
// JSON text. What is under way is cancelled with the task. `usage`: of the texts that are done,
// also after an error.
Result<std::string> answer_embeddings(const ServiceContext& context, const EmbeddingPlan& plan,
                                      RequestTask& task, Usage& usage);

// What an encoder is to compute, and the JSON text of the answer made of its results, one for each
// text.
struct EncodingPlan {
  EncodingRequest request;
  std::function<std::string(const std::vector<std::vector<float>>& results, const Usage& usage)>
      answer;
};
// Precondition of the first: the model is an encoder.
Result<EncodingPlan> plan_encoder_embeddings(const ServiceContext& context, std::string_view body,
                                             const RequestTask& task);
Result<EncodingPlan> plan_classify(const ServiceContext& context, std::string_view body,
                                   const RequestTask& task);
Result<EncodingPlan> plan_score(const ServiceContext& context, std::string_view body,
                                const RequestTask& task);
Result<EncodingPlan> plan_rerank(const ServiceContext& context, std::string_view body,
                                 const RequestTask& task);

}  // namespace autoglm::serve
