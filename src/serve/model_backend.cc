// GLMModel as a backend: every call passed on.
#include <utility>

#include "serve/backend.h"

namespace autoglm::serve {
namespace {

class GlmBackend : public ModelBackend {
 public:
  explicit GlmBackend(GLMModel model) : model_(std::move(model)) {}
  const ModelInfo& info() const override { return model_.info(); }
  EngineStats stats() const override { return model_.stats(); }
  Result<std::vector<TokenId>> tokenize(std::string_view text,
                                        TokenizeOptions options) const override {
    return model_.tokenize(text, options);
  }
  Result<std::string> detokenize(const std::vector<TokenId>& ids,
                                 bool skip_special_tokens) const override {
    return model_.detokenize(ids, skip_special_tokens);
  }
  std::string token_text(TokenId id) const override { return model_.token_text(id); }
  Result<RenderedChat> render_chat(std::string_view context_json) const override {
    return model_.render_chat(context_json);
  }
  Result<std::unique_ptr<AnswerReader>> answer_reader(
      const AnswerReaderOptions& options) const override {
    return model_.answer_reader(options);
  }
  Result<ToolRules> tool_rules(const ToolRulesOptions& options) const override {
    return model_.tool_rules(options);
  }
  Result<GenerationHandle> submit(GenerationRequest request,
                                  GenerationCallback on_event) const override {
    return model_.submit(std::move(request), std::move(on_event));
  }
  Result<std::vector<float>> embed(const std::vector<TokenId>& tokens) const override {
    return model_.embed(tokens);
  }
  void observe(std::shared_ptr<EngineObserver> observer) const override {
    model_.observe(std::move(observer));
  }
  void drain(int64_t timeout_ms) const override { model_.drain(timeout_ms); }

 private:
  GLMModel model_;
};

}  // namespace

std::unique_ptr<ModelBackend> backend_of(GLMModel model) {
  return std::make_unique<GlmBackend>(std::move(model));
}

}  // namespace autoglm::serve
