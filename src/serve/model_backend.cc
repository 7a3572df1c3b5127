// GLMModel as a backend: every call passed on, and no error back that says where the model lies.
#include <string>
#include <string_view>
#include <utility>

#include "serve/backend.h"

namespace autoglm::serve {
namespace {

constexpr std::string_view kTheModel = "the model";

class GlmBackend : public ModelBackend {
 public:
  explicit GlmBackend(GLMModel model) : model_(std::move(model)) {}
  const ModelInfo& info() const override { return model_.info(); }
  EngineStats stats() const override { return model_.stats(); }
  Result<std::vector<TokenId>> tokenize(std::string_view text,
                                        TokenizeOptions options) const override {
    return told(model_.tokenize(text, options));
  }
  Result<std::string> detokenize(const std::vector<TokenId>& ids,
                                 bool skip_special_tokens) const override {
    return told(model_.detokenize(ids, skip_special_tokens));
  }
  std::string token_text(TokenId id) const override { return model_.token_text(id); }
  Result<RenderedChat> render_chat(std::string_view context_json) const override {
    return told(model_.render_chat(context_json));
  }
  Result<std::unique_ptr<AnswerReader>> answer_reader(
      const AnswerReaderOptions& options) const override {
    return told(model_.answer_reader(options));
  }
  Result<ToolRules> tool_rules(const ToolRulesOptions& options) const override {
    return told(model_.tool_rules(options));
  }
  Result<GenerationHandle> submit(GenerationRequest request,
                                  GenerationCallback on_event) const override {
    return told(model_.submit(std::move(request), std::move(on_event)));
  }
  bool knows_form(const StructuredOutput& form) const override { return model_.knows_form(form); }
  Result<GenerationHandle> submit_embedding(std::vector<TokenId> tokens, Scheduling scheduling,
                                            EmbeddingCallback on_embedding) const override {
    return told(
        model_.submit_embedding(std::move(tokens), std::move(scheduling), std::move(on_embedding)));
  }
  Result<EncoderText> encoder_text(std::string_view text, std::optional<std::string_view> second,
                                   const EncoderTextOptions& options) const override {
    return told(model_.encoder_text(text, second, options));
  }
  Result<GenerationHandle> submit_encoding(EncodingRequest request,
                                           EncodingCallback on_result) const override {
    return told(model_.submit_encoding(std::move(request), std::move(on_result)));
  }
  void observe(std::shared_ptr<EngineObserver> observer) const override {
    model_.observe(std::move(observer));
  }
  void drain(int64_t timeout_ms) const override { model_.drain(timeout_ms); }

 private:
  template <class T>
  Result<T> told(Result<T> result) const {
    if (result) return result;
    Error& error = result.error();
    for (std::string* text : {&error.what, &error.where, &error.expected, &error.found}) {
      for (size_t at = text->find(info().path); at != std::string::npos;
           at = text->find(info().path, at)) {
        text->replace(at, info().path.size(), kTheModel);
      }
    }
    return result;
  }

  GLMModel model_;
};

}  // namespace

std::unique_ptr<ModelBackend> backend_of(GLMModel model) {
  return std::make_unique<GlmBackend>(std::move(model));
}

}  // namespace autoglm::serve
