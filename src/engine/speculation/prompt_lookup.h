// Prompt lookup: what follows was often written before, in the prompt, in the answer so far, or in
// what the caller predicts (Saxena, "Prompt Lookup Decoding", 2023). The last tokens are looked up
// in an index of all n-grams, the longest first; what stood after their latest occurrence is the
// draft. A match is then followed for as long as it holds, so that it grows beyond the longest n.
//
// A token costs a bounded amount of work, whatever the text: one hash table an n, with at most
// kProbes places a key. Tables hold positions alone; equality is decided by the text itself.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "autoglm/generation.h"

namespace autoglm {

class PromptLookup {
 public:
  // n-grams of `min_n` to `max_n` tokens, 1 <= min_n <= max_n. `prediction` may be empty; else its
  // beginning is the first draft.
  PromptLookup(int32_t min_n, int32_t max_n, std::span<const TokenId> prediction,
               std::span<const TokenId> prompt);

  // The next token of the answer.
  void append(TokenId token);
  int64_t n_answer() const { return std::ssize(text_) - n_before_; }

  // Fills `draft` with `most` tokens that may come next, or with none.
  void propose(int32_t most, std::vector<TokenId>& draft);

 private:
  static constexpr int32_t kProbes = 32;

  // The n-grams of one length. A slot holds the position after an n-gram's latest occurrence; 0,
  // after which no n-gram ends, is a free one.
  struct Table {
    int32_t n = 0;
    size_t used = 0;
    std::vector<int32_t> slots;
  };
  bool same(const Table& table, int32_t a, int32_t b) const;
  int32_t* place(Table& table, int32_t end) const;
  void insert(Table& table, int32_t end) const;
  void push(TokenId token);
  void find_longer();

  std::vector<TokenId> text_;  // prediction, prompt, answer
  int64_t n_before_ = 0;       // of these, before the answer
  std::vector<Table> tables_;  // longest n first
  int64_t next_ = -1;          // where the match goes on; -1: there is none
  int64_t match_ = 0;          // tokens that have matched
};

}  // namespace autoglm
