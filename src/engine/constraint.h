// Holds one answer to a grammar (GenerationRequest::structured_output): which tokens may come next,
// which one must, and when the answer is whole. Where the model thinks first, the grammar waits
// until it has (decision 110). Plain state of a sequence, which survives preemption; it depends on
// the tokens taken alone, so a constrained answer is as exact as any.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "autoglm/generation.h"
#include "engine/answer.h"
#include "engine/thoughts.h"
#include "text/grammar/matcher.h"

namespace autoglm {

class Constraint {
 public:
  struct Options {
    bool begins_text = false;       // as in GenerationRequest
    bool after_thoughts = false;    // thoughts may come first, and are free
    std::vector<TokenId> end_ids;   // tokens that end the answer where the grammar may end
    std::string field = "grammar";  // of the request, for errors
  };
  Constraint(std::shared_ptr<grammar::CompiledGrammar> grammar, Options options)
      : grammar_(std::move(grammar)),
        matcher_(grammar_, options.begins_text),
        end_ids_(std::move(options.end_ids)),
        field_(std::move(options.field)),
        waits_(options.after_thoughts) {}

  // Looks at what may follow; to be called before the questions below. An error when the grammar
  // is too ambiguous here, or no token of the vocabulary can go on with it.
  Result<void> look(const Thoughts& thoughts);
  // What the grammar holds has not begun yet: thoughts are under way, or may still come.
  bool waits() const { return waits_; }
  // Nothing can follow: the answer is whole, without a token that says so.
  bool finished() const { return mask_ != nullptr && !opener_ && mask_->n_allowed == 0; }
  // The token that the mask leaves, if it leaves one only.
  std::optional<TokenId> forced() const;
  // Sets the logits of all other tokens to minus infinity.
  void apply(std::span<float> logits) const;

  // The token is one that apply() left, or that closes thoughts; `thoughts` has taken it. kInternal
  // where it is not.
  Result<void> take(TokenId token, const Thoughts& thoughts);
  // How many of these tokens, one after the other, the grammar allows.
  size_t n_allowed(std::span<const TokenId> tokens) const;

 private:
  bool is_end(TokenId token) const;
  bool begins_with(std::string_view text) const;
  void apply_to_thoughts(std::span<float> logits) const;

  std::shared_ptr<grammar::CompiledGrammar> grammar_;
  grammar::GrammarMatcher matcher_;
  std::vector<TokenId> end_ids_;
  std::string field_;
  bool waits_ = false;
  std::shared_ptr<const grammar::TokenMask> mask_;  // null: thoughts are open, and free
  std::optional<TokenId> opener_;                   // of thoughts, allowed beside the mask
  std::string tail_;                                // of open thoughts
  bool may_end_ = false;
};

// The ids that may end a constrained answer: those of the model and special stop tokens. Other stop
// tokens are text, which the grammar knows about; with ignore_eos the answer goes on as long as it
// can.
std::vector<TokenId> end_of_constrained(const SamplingParams& sampling, const Tokenizer& tokenizer,
                                        const EndOfSequence& end);

}  // namespace autoglm
