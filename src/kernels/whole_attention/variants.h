// The inside of whole_attention(): what a variant is given, and the table of variants.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/round_up.h"
#include "kernels/whole_attention/whole_attention.h"

namespace autoglm {

// Queries of one head of one text: rows [begin, end) of the text.
struct WholeAttentionPart {
  // Queries that read keys and values together: their scores over the longest texts (8192 rows)
  // take 1.5 MiB.
  static constexpr int64_t kBlock = 48;
  // Queries of one part at most. Each part copies the head's keys and values, which is then less
  // than a hundredth of its work.
  static constexpr int64_t kMostRows = 5 * kBlock;

  TextRows text;
  int64_t head = 0;
  int64_t begin = 0;
  int64_t end = 0;
};

// Working memory of one thread, in floats, each part a multiple of 16.
struct WholeAttentionMemory {
  WholeAttentionMemory(int64_t head_dim, int64_t rows)
      : keys(round_up(rows, 16) * head_dim),
        values(round_up(head_dim, 16) * round_up(rows, 16)),
        scores(WholeAttentionPart::kBlock * round_up(rows, 16)) {}
  int64_t floats() const { return keys + values + scores; }

  int64_t keys;    // [panels of 16 rows][head_dim][16]
  int64_t values;  // [panels of 16 columns][rows][16]
  int64_t scores;  // [queries][rows]
};

using WholeAttentionVariant = void (*)(const WholeAttentionArgs& args,
                                       const WholeAttentionPart& part, float* memory);

extern const WholeAttentionVariant kWholeAttentionGeneric;
extern const WholeAttentionVariant kWholeAttentionAvx2;
extern const WholeAttentionVariant kWholeAttentionAvx512;

WholeAttentionVariant whole_attention_variant(Isa isa);

}  // namespace autoglm
