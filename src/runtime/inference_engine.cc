// InferenceEngine: GLMModel's calls behind a load() that may not have happened.
#include "autoglm/engine.h"

#include <string>
#include <utility>
#include <vector>

namespace autoglm {
namespace {

Error not_loaded(const std::string& path) {
  return {.code = ErrorCode::kUnavailable, .what = "load() has not succeeded", .where = path};
}

}  // namespace

Result<void> InferenceEngine::load() {
  model_ = AGLM_TRY(GLMModel::from_pretrained(model_path_, options_));
  return {};
}

Result<std::string> InferenceEngine::generate(std::string_view prompt,
                                              const SamplingParams& params) const {
  if (!model_) return not_loaded(model_path_);
  GenerationResult result = AGLM_TRY(model_->generate(prompt, params));
  return std::move(result.choices.front().text);
}

Result<std::string> InferenceEngine::generate(
    std::string_view prompt, const SamplingParams& params,
    const std::function<bool(std::string_view)>& on_text) const {
  if (!model_) return not_loaded(model_path_);
  std::vector<TokenId> ids = AGLM_TRY(model_->tokenize(prompt));
  // The engine does not wait for `on_text`. Pieces are kept apart: where a caller stops then
  // depends on the answer, not on who was faster.
  AnswerStream stream = AGLM_TRY(model_->stream({.prompt = std::move(ids), .sampling = params}));
  std::string answer;
  bool wanted = true;
  while (std::optional<GenerationEvent> event = stream.next()) {
    if (event->error) return *std::move(event->error);
    if (event->choice != 0 || event->text.empty() || !wanted) continue;
    answer += event->text;
    wanted = on_text(event->text);
    if (!wanted) stream.cancel();
  }
  return answer;
}

}  // namespace autoglm
