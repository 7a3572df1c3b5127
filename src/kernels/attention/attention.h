// Causal attention of the step's queries over paged keys and values, with grouped heads and an
// optional sliding window. A query's result depends on its position and on the keys and values
// alone, whatever else is in the step: softmax is taken over stretches of 256 keys at fixed places,
// and a fixed tree joins them (promise 1). On AMX, sums over pages of bf16 have an order of their
// own (amx_pages.h), for one query as for many; everything else agrees bit for bit on every
// instruction set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/isa.h"
#include "tensor/dtype.h"

namespace autoglm {

// One layer's keys and values in the pool. A page holds 32 positions; its part for this layer is,
// for each head in turn, keys [head_dim, 32] and values [32, head_dim], with head_dim padded to 16;
// in int8, pairs of bytes that are multiplied together are neighbours, and a scale for each token's
// key and one for its value follow (int8_pages.h).
struct KvCache {
  static constexpr int64_t kPageTokens = 32;
  // Of kI8: products of 16-bit queries and 8-bit keys then still sum in 32 bits.
  static constexpr int64_t kMaxInt8HeadDim = 512;

  std::byte* data = nullptr;      // this layer's part of page 0; aligned to 64
  int64_t page_stride_bytes = 0;  // from one page to the next; a multiple of 64
  DType dtype = DType::kF32;      // kF32, kBF16, kF16 or kI8
  int64_t n_kv_heads = 0;
  int64_t head_dim = 0;

  // Bytes of one head of one page, and of one layer's part of it; multiples of 64.
  static int64_t head_bytes(DType dtype, int64_t head_dim);
  static int64_t page_bytes(DType dtype, int64_t n_kv_heads, int64_t head_dim);
};

// Rows [first_row, first_row + n_rows) are positions [start_position, start_position + n_rows) of
// one sequence; pages[i] holds its positions [32 i, 32 i + 32).
struct KvSequence {
  int64_t first_row = 0;
  int64_t n_rows = 0;
  int64_t start_position = 0;
  std::span<const int32_t> pages;
};

struct KvWriteArgs {
  std::span<const KvSequence> sequences;
  const float* k = nullptr;  // [rows, n_kv_heads, head_dim]
  int64_t k_stride = 0;
  const float* v = nullptr;  // the same shape
  int64_t v_stride = 0;
  KvCache cache;
};

// Stores the rows' keys and values at their positions, rounded to nearest even; in int8 to a grid
// of 127 steps up to the head's largest magnitude.
void kv_write(const Context& context, const KvWriteArgs& args);

struct AttentionArgs {
  std::span<const KvSequence> sequences;
  int64_t n_heads = 0;       // a multiple of cache.n_kv_heads
  const float* q = nullptr;  // [rows, n_heads, head_dim]
  int64_t q_stride = 0;
  float scale = 1;     // of the scores, before softmax
  int64_t window = 0;  // a query sees its own and the window - 1 positions before; 0: all
  KvCache cache;       // holds the rows' own keys and values already
  float* y = nullptr;  // [rows, n_heads, head_dim]
  int64_t y_stride = 0;
};

// Working memory: at least this much, aligned to 64. It is reserved for the longest sequences; what
// shorter ones do not need is not touched.
int64_t attention_scratch_bytes(int64_t n_threads, int64_t head_dim);

void attention(const Context& context, const AttentionArgs& args, std::span<std::byte> scratch);

}  // namespace autoglm
