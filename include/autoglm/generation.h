// What a caller asks of a model and what comes back: sampling parameters, requests, events,
// results. Names and defaults are those of the OpenAI API where it has them, else of vLLM.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "autoglm/result.h"

#pragma GCC visibility push(default)
namespace autoglm {

enum class TokenId : int32_t {};

// A value that never changes, held once by all its copies: a request for 256 prompts is as large as
// one. Empty unless made of something.
template <class T>
class Shared {
 public:
  Shared() = default;
  Shared(T value) : value_(std::make_shared<const T>(std::move(value))) {}

  const T& operator*() const {
    static const T empty{};
    return value_ ? *value_ : empty;
  }
  const T* operator->() const { return &**this; }

 private:
  std::shared_ptr<const T> value_;
};

struct SamplingParams {
  double temperature = 1.0;         // 0: greedy
  int32_t top_k = 0;                // 0 or -1: all
  double top_p = 1.0;               // (0, 1]
  double min_p = 0.0;               // [0, 1], relative to the most likely token
  double repetition_penalty = 1.0;  // > 0, over prompt and answer (CTRL, arXiv 1909.05858)
  double presence_penalty = 0.0;    // [-2, 2], over the answer
  double frequency_penalty = 0.0;   // [-2, 2], over the answer
  Shared<std::map<int32_t, double>> logit_bias{};  // token id -> added to its logit, [-100, 100]
  std::optional<uint64_t> seed{};                  // unset: taken from the system's randomness
  std::optional<int64_t> max_tokens{};             // unset: to the end of the context
  int64_t min_tokens = 0;           // before this many, end-of-sequence and stops are not taken
  std::vector<std::string> stop{};  // the answer ends before the first of these
  std::vector<TokenId> stop_token_ids{};
  bool include_stop_str_in_output = false;
  bool ignore_eos = false;
  bool skip_special_tokens = true;
  // Tokens between <think> and </think> at the answer's beginning; after so many </think> is
  // forced.
  std::optional<int64_t> thinking_token_budget{};
  int32_t n = 1;                             // independent answers
  std::optional<int32_t> logprobs{};         // top alternatives for each answer token, 0..20
  std::optional<int32_t> prompt_logprobs{};  // the same for each prompt token
  // Tokens drafted ahead at most, not above the model's own setting; 0: none. Changes when tokens
  // come, never which.
  std::optional<int32_t> num_speculative_tokens{};
};

// What an answer must be (docs/structured-output.md). Names are those of the request fields.
struct StructuredOutput {
  enum class Kind {
    kNone,
    kJsonObject,     // any JSON object
    kJson,           // JSON that satisfies the schema in `text`
    kRegex,          // what the expression in `text` matches
    kChoice,         // one of `choices`
    kGrammar,        // what the grammar in `text` derives: GBNF, or Lark's notation
    kStructuralTag,  // free text with parts of these kinds, as `text`, JSON, says
  };
  Kind kind = Kind::kNone;
  std::string text{};
  std::vector<std::string> choices{};
  // JSON has no white space but a space after a comma or a colon, where the model wants one. Not
  // even that:
  bool disable_any_whitespace = false;
  // Or, between any two tokens, what this expression matches.
  std::optional<std::string> whitespace_pattern{};
  // Objects of a schema that declares properties and does not speak of others have no others.
  bool disable_additional_properties = false;
  // Thoughts, <think>...</think>, may come first, and are free: what follows them is held.
  bool after_reasoning = false;
  std::string field = "structured_outputs";  // what errors call it
};

enum class FinishReason { kNone, kStop, kLength, kCancelled, kError };
std::string_view finish_reason_name(FinishReason reason);  // "stop", "length", "cancelled", "error"

struct TokenLogprob {
  TokenId id{};
  float logprob = 0;
  int32_t rank = 0;  // 1: the most likely
};

// Log-probabilities at one position: the token taken, and the most likely ones, best first.
// Natural logarithm of the softmax of the model's raw logits, before temperature and penalties.
struct PositionLogprobs {
  TokenLogprob taken{};
  std::vector<TokenLogprob> top{};
};

// Who asks, how urgently and until when. Decides when an answer comes, never what it says.
struct Scheduling {
  // As vLLM: lower is more urgent. To 0: interactive, at once; 1: batched, gathers for a moment;
  // from 2 on: offline, takes what the others leave.
  int32_t priority = 0;
  std::string tenant{};                 // tenants share the engine fairly, and no cached prompts
  std::string cache_salt{};             // cached prompts are shared only where this is the same
  std::optional<int64_t> timeout_ms{};  // the answer is worth nothing later than that
};

// Where a row stands for rotary embeddings: temporal, height and width. Text has its position three
// times; only models whose rope reads several of them tell the three apart (M-RoPE).
using RotaryPosition = std::array<int32_t, 3>;

// Rows of a prompt that are numbers in place of tokens: what an encoder made of an image, a trained
// soft prompt. The tokens at their positions are placeholders, which the model does not see.
struct PromptEmbeddings {
  int64_t first_position = 0;
  std::vector<float> values{};  // [rows, ModelInfo::hidden_size], what the embedding would give
};

// What a prompt is beside its tokens.
struct PromptInputs {
  std::vector<PromptEmbeddings> embeddings{};  // by position; no two share one
  // One for each token of the prompt, none negative; the answer goes on after the largest
  // component. Empty: each token's own position.
  std::vector<RotaryPosition> positions{};
};

struct GenerationRequest {
  std::vector<TokenId> prompt{};  // not empty
  Shared<PromptInputs> inputs{};
  SamplingParams sampling{};
  std::string request_id{};  // for logs and traces; made up when empty
  // The answer is a text of its own (a turn of a conversation), not the prompt's continuation: the
  // space that SentencePiece tokens begin with is then left out at its beginning.
  bool begins_text = false;
  // The answer is held to this: tokens that lead away from it are never taken, and it ends when
  // nothing can follow. With it, min_tokens does not keep an answer from ending.
  Shared<StructuredOutput> structured_output{};
  // What the answer may be, in whole or in parts: tried as drafts where the model speculates.
  Shared<std::vector<TokenId>> prediction{};
  Scheduling scheduling{};
};

struct Usage {
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;
  int64_t cached_tokens = 0;  // part of prompt_tokens that was not computed again
  // Of requests with a prediction: drafted tokens that answers took, and others. How many were
  // drafted depends on how fast steps were.
  int64_t accepted_prediction_tokens = 0;
  int64_t rejected_prediction_tokens = 0;
};

// A piece of one answer. Events of one choice come in order; text is always whole UTF-8 characters.
struct GenerationEvent {
  int32_t choice = 0;
  std::string text{};             // may be empty while a character or a possible stop is incomplete
  std::vector<TokenId> tokens{};  // the tokens taken since the last event of this choice
  std::vector<PositionLogprobs> logprobs{};  // one for each of `tokens`, when asked
  // In the first event of choice 0, when asked; the first position has none.
  Shared<std::vector<std::optional<PositionLogprobs>>> prompt_logprobs{};
  FinishReason finish_reason = FinishReason::kNone;
  std::optional<std::string> stop_reason{};  // the stop string, or the stop token id in decimal
  std::optional<TokenId> stop_token{};       // that token, when it was one
  bool last = false;                         // no event of any choice follows
  Usage usage{};                             // so far, over all choices
  std::optional<Error> error{};              // with FinishReason::kError
};

// Called on the engine's thread: must return quickly and must not call back into the engine.
using GenerationCallback = std::function<void(const GenerationEvent&)>;

struct Choice {
  std::string text{};
  std::vector<TokenId> tokens{};
  std::vector<PositionLogprobs> logprobs{};
  FinishReason finish_reason = FinishReason::kNone;
  std::optional<std::string> stop_reason{};
  std::optional<TokenId> stop_token{};
};

struct GenerationResult {
  std::vector<Choice> choices{};
  Shared<std::vector<std::optional<PositionLogprobs>>> prompt_logprobs{};
  Usage usage{};

  // What one more event says, its error apart.
  void add(const GenerationEvent& event);
};

}  // namespace autoglm
#pragma GCC visibility pop
