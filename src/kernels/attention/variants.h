// The inside of attention(): one piece of work, and the table of variants. Only attention/ includes
// this.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/attention/attention.h"

namespace autoglm {

// Some neighbouring rows of one sequence, by some heads that share a key and value head, over some
// stretches of keys. Row r and head h together are one "query" here.
struct AttentionPart {
  // 64 queries share each load of a page: widening it costs them a fortieth of their products.
  static constexpr int64_t kMaxQueries = 64;
  // Softmax is taken over stretches of 256 keys, which a tree of fours then joins (fold.h). Scores
  // of 64 queries are 64 KiB: they stay in the second cache.
  static constexpr int64_t kStretchPages = 8;
  static constexpr int64_t kStretch = kStretchPages * KvCache::kPageTokens;
  static constexpr int kFanOut = 4;
  static constexpr int kFoldLevels = 9;                // 4^8 stretches
  static constexpr int kFoldPlaces = kFoldLevels + 1;  // and the one being computed
  static constexpr int64_t kMaxPositions = kStretch << (2 * (kFoldLevels - 1));
  // Nodes of one group of queries that are computed apart.
  static constexpr int64_t kMaxNodes = 256;

  const KvSequence* sequence = nullptr;
  int64_t row = 0;  // first row, counted within the sequence
  int64_t n_rows = 0;
  int64_t kv_head = 0;
  int64_t head = 0;  // first head, of all heads
  int64_t n_heads = 0;
  int64_t first_stretch = 0;
  int64_t end_stretch = 0;
  float* node = nullptr;  // where the result goes if this is not all stretches; fold_floats() long
};

struct KvHead {
  const float* x = nullptr;  // [head_dim]
  int64_t head_dim = 0;
  int8_t* codes = nullptr;  // [head_dim padded to 16]
};

struct AttentionVariant {
  void (*run)(const AttentionArgs& args, const AttentionPart& part, std::byte* scratch);
  // Joins the nodes of a part that was computed in blocks of stretches: those numbered `first` to
  // `first + n`, one after another from `nodes` on. part.node is null.
  void (*join)(const AttentionArgs& args, const AttentionPart& part, int64_t first, int64_t n,
               float* nodes);
  // Rounds to codes of scale * code; the scale is NaN where x is not finite.
  float (*quantize)(const KvHead& head);
  // Rounds n numbers to bf16.
  void (*narrow)(const float* x, int64_t n, uint16_t* out);
};

constexpr int64_t padded_head(int64_t head_dim) { return (head_dim + 15) / 16 * 16; }

// Floats of one state of kMaxQueries queries.
constexpr int64_t fold_floats(int64_t width) { return AttentionPart::kMaxQueries * (width + 2); }

// Bytes of scratch for one thread.
int64_t attention_part_scratch(int64_t head_dim);

void check_kv_cache(const KvCache& cache);
void check_kv_sequence(const KvSequence& sequence);
const AttentionVariant& attention_variant(Isa isa);

extern const AttentionVariant kAttentionGeneric;
extern const AttentionVariant kAttentionAvx2;
extern const AttentionVariant kAttentionAvx512;
extern const AttentionVariant kAttentionAmx;

}  // namespace autoglm
