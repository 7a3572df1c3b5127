// Holds one answer to a grammar (GenerationRequest::structured_output): which tokens may come next,
// which one must, and when the answer is whole. Plain state of a sequence, which survives
// preemption; it depends on the tokens taken alone, so a constrained answer is as exact as any.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "autoglm/generation.h"
#include "engine/answer.h"
#include "text/grammar/matcher.h"

namespace autoglm {

class Constraint {
 public:
  // `end_ids`: tokens that end the answer where the grammar may end.
  Constraint(std::shared_ptr<grammar::CompiledGrammar> grammar, bool begins_text,
             std::vector<TokenId> end_ids)
      : matcher_(std::move(grammar), begins_text), end_ids_(std::move(end_ids)) {}

  // Looks at what may follow; to be called before the questions below. An error when the grammar
  // is too ambiguous here, or no token of the vocabulary can go on with it.
  Result<void> look();
  // Nothing can follow: the answer is whole, without a token that says so.
  bool finished() const { return mask_->n_allowed == 0; }
  // The token that the mask leaves, if it leaves one only.
  std::optional<TokenId> forced() const;
  // Sets the logits of all other tokens to minus infinity.
  void apply(std::span<float> logits) const;

  // Precondition: the token is one that apply() left.
  void take(TokenId token);
  // How many of these tokens, one after the other, the grammar allows.
  size_t n_allowed(std::span<const TokenId> tokens) const;

 private:
  bool is_end(TokenId token) const;

  grammar::GrammarMatcher matcher_;
  std::vector<TokenId> end_ids_;
  std::shared_ptr<const grammar::TokenMask> mask_;
  bool may_end_ = false;
};

// The ids that may end a constrained answer: those of the model and special stop tokens. Other stop
// tokens are text, which the grammar knows about; with ignore_eos the answer goes on as long as it
// can.
std::vector<TokenId> end_of_constrained(const SamplingParams& sampling, const Tokenizer& tokenizer,
                                        const EndOfSequence& end);

}  // namespace autoglm
