// The model as this room sees it. GLMModel stands behind it in the program, a scripted one in the
// tests. Members may be called from any thread; see include/autoglm/model.h for what they mean.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/model.h"

namespace autoglm::serve {

class ModelBackend {
 public:
  virtual ~ModelBackend() = default;
  virtual const ModelInfo& info() const = 0;
  virtual EngineStats stats() const = 0;
  virtual Result<std::vector<TokenId>> tokenize(std::string_view text,
                                                TokenizeOptions options) const = 0;
  virtual Result<std::string> detokenize(const std::vector<TokenId>& ids,
                                         bool skip_special_tokens) const = 0;
  virtual std::string token_text(TokenId id) const = 0;
  virtual Result<RenderedChat> render_chat(std::string_view context_json) const = 0;
  virtual Result<std::unique_ptr<AnswerReader>> answer_reader(
      const AnswerReaderOptions& options) const = 0;
  virtual Result<ToolRules> tool_rules(const ToolRulesOptions& options) const = 0;
  virtual Result<GenerationHandle> submit(GenerationRequest request,
                                          GenerationCallback on_event) const = 0;
  virtual Result<GenerationHandle> submit_embedding(std::vector<TokenId> tokens,
                                                    Scheduling scheduling,
                                                    EmbeddingCallback on_embedding) const = 0;
  virtual Result<EncoderText> encoder_text(std::string_view text,
                                           std::optional<std::string_view> second,
                                           const EncoderTextOptions& options) const = 0;
  virtual Result<GenerationHandle> submit_encoding(EncodingRequest request,
                                                   EncodingCallback on_result) const = 0;
  virtual bool knows_form(const StructuredOutput&) const { return true; }
  virtual void observe(std::shared_ptr<EngineObserver> observer) const = 0;
  virtual void drain(int64_t timeout_ms) const = 0;
};

std::unique_ptr<ModelBackend> backend_of(GLMModel model);

}  // namespace autoglm::serve
