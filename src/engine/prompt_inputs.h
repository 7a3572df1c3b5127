// What the engine makes of a prompt's parts that are not tokens: rows of a step that are given as
// numbers, positions for rotary embeddings, and marks by which the prefix tree tells pages apart
// that hold the same tokens (placeholders) over different numbers.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "autoglm/generation.h"
#include "autoglm/result.h"
#include "devices/executor.h"

namespace autoglm {

class PromptRows {
 public:
  PromptRows() = default;
  // Precondition: check_inputs() passed.
  PromptRows(const PromptInputs& inputs, int64_t n_prompt, int32_t hidden_size,
             int32_t page_tokens);

  // Whether all of it is tokens at their own positions: then nothing else here is needed.
  bool plain() const { return inputs_ == nullptr; }

  // Of a token of the prompt or of the answer.
  RotaryPosition position(int64_t at) const;
  bool own_positions() const { return plain() || inputs_->positions.empty(); }

  // Appends what is given of the rows of positions [begin, end), which begin at `first_row`.
  void append_embeddings(int64_t begin, int64_t end, int32_t first_row,
                         std::vector<StepEmbeddings>& out) const;

  // A digest of all that the keys and values of page `page` depend on beside the tokens and the
  // pages before it; empty: on nothing else.
  const std::string& mark(int64_t page) const;

 private:
  std::string make_mark(int64_t page, int32_t page_tokens) const;

  const PromptInputs* inputs_ = nullptr;  // the request's, which outlives this
  int64_t n_prompt_ = 0;
  int64_t columns_ = 0;
  int64_t answer_shift_ = 0;        // of the answer's positions against its own
  std::vector<std::string> marks_;  // of the prompt's pages
  std::string answer_mark_;         // of all later ones
};

// Errors: rows outside the prompt or twice the same, sizes that do not fit, numbers that are not
// finite, positions that are negative or too large.
Result<void> check_inputs(const PromptInputs& inputs, int64_t n_prompt, int32_t hidden_size);

}  // namespace autoglm
