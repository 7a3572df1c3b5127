// Attention of every row to all rows of its own text, before and behind it: what an encoder does,
// whose texts come whole, so that no keys or values outlive the step. A text's result depends on
// its own rows alone, whatever else is in the step (promise 1), and agrees bit for bit on every
// instruction set: a score is summed over the head's columns, an output over the text's rows, both
// ascending with fused multiply-adds; softmax sums 16 lanes, joined in one tree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/isa.h"

namespace autoglm {

// Rows [first_row, first_row + n_rows) of the step.
struct TextRows {
  int64_t first_row = 0;
  int64_t n_rows = 0;
};

struct WholeAttentionArgs {
  std::span<const TextRows> texts;
  int64_t n_heads = 0;
  int64_t head_dim = 0;
  float scale = 1;           // of the scores, before softmax
  const float* q = nullptr;  // [rows, n_heads, head_dim]
  int64_t q_stride = 0;
  const float* k = nullptr;  // the same shape
  int64_t k_stride = 0;
  const float* v = nullptr;  // the same shape
  int64_t v_stride = 0;
  float* y = nullptr;  // the same shape; overlaps no input
  int64_t y_stride = 0;
};

// Working memory for texts of up to `max_rows` rows: at least this much, aligned to 64. What
// shorter texts do not need is not touched.
int64_t whole_attention_scratch_bytes(const Context& context, int64_t head_dim, int64_t max_rows);

void whole_attention(const Context& context, const WholeAttentionArgs& args,
                     std::span<std::byte> scratch);

}  // namespace autoglm
