// Where the answers of a request go, as they come: typed pieces, whatever they will be written as.
// server-sent events and one JSON text are two such places (http_sinks.h); another protocol is one
// more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "autoglm/generation.h"
#include "autoglm/tools.h"

namespace autoglm::serve {

using PromptLogprobs = std::vector<std::optional<PositionLogprobs>>;

// Why a choice has ended; kNone: it goes on.
struct ChoiceEnd {
  FinishReason reason = FinishReason::kNone;
  bool with_calls = false;  // kStop, and what the client is to do next is to call tools
  std::optional<std::string> stop_reason;
  std::optional<TokenId> stop_token;
};

// What one event of the engine adds to one choice of one prompt.
struct AnswerPiece {
  size_t prompt = 0;
  int32_t choice = 0;
  // Content, reasoning, calls and their arguments, in order. None while what was written may still
  // become one or the other.
  std::vector<AnswerDelta> deltas;
  std::vector<TokenId> tokens;
  std::vector<PositionLogprobs> logprobs;  // one for each of `tokens`, when asked
  Shared<PromptLogprobs> prompt_logprobs;  // once a prompt, when asked
  ChoiceEnd end;
};

// Called on one thread after the other, in order: pieces, and then end() or fail(), once. What it
// throws ends the request.
class GenerationSink {
 public:
  virtual ~GenerationSink() = default;
  // Runs `work` on the thread where this sink's answers are written, after what was posted before.
  virtual void post(std::function<void()> work) = 0;
  // `usage`: so far, over all prompts.
  virtual void piece(AnswerPiece piece, const Usage& usage) = 0;
  virtual void end(const Usage& usage) = 0;
  virtual void fail(const Error& error) = 0;
  // What end() still has to write: in scores, tokens and the like.
  virtual size_t unwritten() const { return 0; }
};

}  // namespace autoglm::serve
