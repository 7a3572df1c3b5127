// Request bodies to what has to be done, one function a route; nothing is begun here. Called on the
// work queues' threads. Fuzzed as a whole.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "autoglm/generation.h"
#include "base/json.h"
#include "serve/api/answer_format.h"
#include "serve/context.h"

namespace autoglm::serve {

struct GenerationPlan {
  std::vector<GenerationRequest> requests;  // one a prompt
  bool stream = false;
  std::unique_ptr<AnswerFormat> format;
};

Result<GenerationPlan> plan_chat(const ServiceContext& context, std::string_view body);
Result<GenerationPlan> plan_completions(const ServiceContext& context, std::string_view body);
Result<GenerationPlan> plan_infer(const ServiceContext& context, std::string_view body);

// Routes that answer at once.
Result<json::value> answer_tokenize(const ServiceContext& context, std::string_view body);
Result<json::value> answer_detokenize(const ServiceContext& context, std::string_view body);
Result<json::value> answer_apply_template(const ServiceContext& context, std::string_view body);
json::value answer_models(const ServiceContext& context);
Result<json::value> answer_model(const ServiceContext& context, std::string_view name);

struct EmbeddingPlan {
  std::vector<std::vector<TokenId>> inputs;
  bool base64 = false;
};
Result<EmbeddingPlan> plan_embeddings(const ServiceContext& context, std::string_view body);
// `wanted` is asked before each input; once it says no, the rest is not computed.
Result<json::value> answer_embeddings(const ServiceContext& context, const EmbeddingPlan& plan,
                                      const std::function<bool()>& wanted);

}  // namespace autoglm::serve
