// A compiled grammar, and the place of one text in it.
//
//   const auto grammar = CompiledGrammar::make(program, vocabulary);
//   GrammarMatcher matcher(grammar);              // small; copies are independent
//   const auto mask = matcher.mask();             // tokens that may come next
//   matcher.accept(token);                        // false, and unchanged, when it may not
//   matcher.may_end();                            // the text may end here: allow end-of-sequence
//
// A token is allowed exactly when its bytes can be gone on with to a text of the grammar; so a
// text that keeps to the masks never comes to a dead end. What end-of-sequence tokens there are is
// the caller's affair.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>

#include "autoglm/generation.h"
#include "autoglm/result.h"
#include "text/grammar/lazy_automaton.h"
#include "text/grammar/program.h"
#include "text/grammar/token_mask.h"
#include "text/grammar/token_trie.h"

namespace autoglm::grammar {

// A tokenizer's tries. Immutable; one for each model.
struct Vocabulary {
  // `mask_bytes`: of masks kept for all grammars.
  static std::shared_ptr<const Vocabulary> of(const Tokenizer& tokenizer, int32_t n_ids,
                                              size_t mask_bytes = size_t{32} << 20);

  TokenTrie trie;
  // How tokens spell at the beginning of a text, where that is different.
  std::unique_ptr<const TokenTrie> first;

  // Of the masks that all grammars share.
  size_t masks_bytes() const {
    return trie.cache().size_bytes() + (first ? first->cache().size_bytes() : 0);
  }
};

// Shared by all requests with the same grammar. Any thread may use it; what matchers find out is
// kept here, in bounded memory.
class CompiledGrammar {
 public:
  static std::shared_ptr<CompiledGrammar> make(Program program,
                                               std::shared_ptr<const Vocabulary> vocabulary);

  const Program& program() const { return program_; }
  const Vocabulary& vocabulary() const { return *vocabulary_; }
  size_t size_bytes() const;

 private:
  friend class GrammarMatcher;
  // What is known of the grammar's states. When it has grown too large, a new one takes its place,
  // and matchers move over when they are next asked.
  struct Knowledge {
    explicit Knowledge(const Program& program) : automaton(program) {}
    LazyAutomaton automaton;
    struct Mask {
      std::shared_ptr<const TokenMask> mask;
      MaskFault fault = MaskFault::kNone;  // why there is none
    };
    std::unordered_map<int32_t, Mask> masks, first_masks;
    size_t mask_bytes = 0;
    size_t first_bytes = 0;  // when it began, with the places of the matcher that began it
  };
  CompiledGrammar(Program program, std::shared_ptr<const Vocabulary> vocabulary);

  const Program program_;
  const std::shared_ptr<const Vocabulary> vocabulary_;
  mutable std::mutex mutex_;  // for all below
  std::shared_ptr<Knowledge> knowledge_;
  GroupCache groups_, first_groups_;
};

class GrammarMatcher {
 public:
  // `begins_text`: the first token is the beginning of a text of its own (GenerationRequest).
  explicit GrammarMatcher(std::shared_ptr<CompiledGrammar> grammar, bool begins_text = false);

  // kTooLarge when the grammar is in too many places at once, since its ambiguity has exploded, or
  // when the mask or all of the text's masks take too much work. What one mask takes at most stands
  // in matcher.cc; whoever asks has no other work to do meanwhile.
  Result<std::shared_ptr<const TokenMask>> mask();
  bool accept(TokenId token);
  bool accept_text(std::string_view bytes);
  bool may_end() const;
  // Nothing may follow.
  bool must_end() const;

 private:
  void catch_up() const;
  const TokenTrie& trie() const;

  std::shared_ptr<CompiledGrammar> grammar_;
  mutable std::shared_ptr<CompiledGrammar::Knowledge> knowledge_;
  mutable int32_t state_ = LazyAutomaton::kDead;
  bool first_ = false;
  uint64_t dear_work_ = 0;  // of masks that were no small matter
};

}  // namespace autoglm::grammar
