// InferenceEngine: GLMModel's calls behind a load() that may not have happened.
#include "autoglm/engine.h"

#include <condition_variable>
#include <memory>
#include <mutex>
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
  // Text crosses from the engine's thread to this one, so that `on_text` may take its time. Pieces
  // are kept apart: where a caller stops then depends on the answer, not on who was faster.
  struct Stream {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::string> pieces;
    bool last = false;
    std::optional<Error> error;
  };
  const auto stream = std::make_shared<Stream>();
  std::vector<TokenId> ids = AGLM_TRY(model_->tokenize(prompt));
  const GenerationHandle handle = AGLM_TRY(model_->submit(
      {.prompt = std::move(ids), .sampling = params}, [stream](const GenerationEvent& event) {
        const std::lock_guard lock(stream->mutex);
        if (event.choice == 0 && !event.text.empty()) stream->pieces.push_back(event.text);
        if (event.error) stream->error = event.error;
        stream->last = event.last;
        stream->changed.notify_one();
      }));
  std::string answer;
  bool wanted = true;
  for (bool last = false; !last;) {
    std::unique_lock lock(stream->mutex);
    stream->changed.wait(lock, [&] { return stream->last || !stream->pieces.empty(); });
    const std::vector<std::string> pieces = std::exchange(stream->pieces, {});
    last = stream->last;
    lock.unlock();
    for (const std::string& piece : pieces) {
      if (!wanted) break;
      answer += piece;
      wanted = on_text(piece);
      if (!wanted) handle.cancel();
    }
  }
  if (stream->error) return *std::move(stream->error);
  return answer;
}

}  // namespace autoglm
