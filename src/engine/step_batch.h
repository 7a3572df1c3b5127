// What one step computes, as the executor wants it: the rows of all sequences that run, one after
// the other, and which of them have results. Its memory is kept from step to step.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "devices/executor.h"
#include "engine/sequence.h"

namespace autoglm {

class StepBatch {
 public:
  // Of the sequences with rows, in their order, each with its draft behind its rows.
  void build(std::span<const std::unique_ptr<Sequence>> running);

  bool empty() const { return tokens_.empty(); }
  int32_t n_rows() const { return static_cast<int32_t>(tokens_.size()); }
  // Rows that take one more token of an answer, that compute prompts, that verify drafts.
  int32_t decode_rows() const { return decode_rows_; }
  int32_t prefill_rows() const { return prefill_rows_; }
  int32_t draft_rows() const { return draft_rows_; }

  // Valid until the next build(), and as long as the sequences stay as they are.
  StepInput input() const {
    return {.tokens = tokens_,
            .embeddings = embeddings_,
            .positions = positions_,
            .sequences = sequences_,
            .output_rows = output_rows_,
            .logits = wants_logits_};
  }

 private:
  void add(const Sequence& sequence);
  void add_positions(std::span<const std::unique_ptr<Sequence>> running);

  std::vector<TokenId> tokens_;
  std::vector<StepEmbeddings> embeddings_;
  std::vector<RotaryPosition> positions_;
  std::vector<StepSequence> sequences_;
  std::vector<int32_t> output_rows_;
  bool wants_logits_ = false;
  int32_t decode_rows_ = 0, prefill_rows_ = 0, draft_rows_ = 0;
};

}  // namespace autoglm
