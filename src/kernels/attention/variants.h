// The inside of attention(): one piece of work, and the table of variants. Only attention/ includes
// this.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/attention/attention.h"

namespace autoglm {

// Some neighbouring rows of one sequence, by some heads that share a key and value head. Row r and
// head h together are one "query" here.
struct AttentionPart {
  // 24 queries share each load of a page; it is a multiple of the 2, 3 and 6 that fill the
  // registers.
  static constexpr int64_t kMaxQueries = 24;

  const KvSequence* sequence = nullptr;
  int64_t row = 0;  // first row, counted within the sequence
  int64_t n_rows = 0;
  int64_t kv_head = 0;
  int64_t head = 0;  // first head, of all heads
  int64_t n_heads = 0;
};

struct AttentionVariant {
  void (*run)(const AttentionArgs& args, const AttentionPart& part, std::byte* scratch);
};

// Bytes of scratch for one part.
int64_t attention_part_scratch(int64_t head_dim);

constexpr int64_t padded_head(int64_t head_dim) { return (head_dim + 15) / 16 * 16; }

extern const AttentionVariant kAttentionGeneric;
extern const AttentionVariant kAttentionAvx2;
extern const AttentionVariant kAttentionAvx512;

}  // namespace autoglm
