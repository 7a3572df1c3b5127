// The text side of one answer: tokens go in one by one; text that may be shown comes out, and at
// some point the reason why the answer ends. Knows nothing of logits, pages or batches.
//
// As vLLM has it: an end-of-sequence or stop token belongs to the tokens but not to the text
// (unless include_stop_str_in_output); the tokenizer's own end of sequence gives no stop_reason,
// every other stop token its id, a stop string itself.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "autoglm/generation.h"
#include "engine/stop_matcher.h"
#include "text/tokenizer.h"

namespace autoglm {

// The ids that end an answer by themselves.
struct EndOfSequence {
  std::optional<TokenId> own;  // the tokenizer's; part of `all`
  std::vector<TokenId> all;
};

class Answer {
 public:
  // `max_tokens`: what params.max_tokens came to. The tokenizer and `end` must outlive it.
  Answer(const SamplingParams& params, int64_t max_tokens, const Tokenizer& tokenizer,
         const EndOfSequence& end);
  // Before the first take(): the answer continues the text of `prompt`.
  void follow(std::span<const TokenId> prompt) { decoder_.follow(prompt); }

  struct Piece {
    std::string text;
    FinishReason finish_reason = FinishReason::kNone;
    std::optional<std::string> stop_reason;
    std::optional<TokenId> stop_token;
  };
  // The next token. Not to be called after a finish_reason.
  Piece take(TokenId id);
  // The answer is whole without another token. Not to be called after a finish_reason.
  Piece finish();

 private:
  const SamplingParams* params_;
  int64_t max_tokens_;
  const EndOfSequence* end_;
  StreamDecoder decoder_;
  StopMatcher matcher_;
  int64_t n_tokens_ = 0;
};

}  // namespace autoglm
