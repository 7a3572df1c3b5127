// Rotary position embedding of the first `rotary_dim` elements of each head. The angles' table is
// made once a step and used by every layer.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/isa.h"

namespace autoglm {

enum class RopePairs : uint8_t {
  kHalfSplit,    // element i turns with i + rotary_dim / 2 (Llama, Qwen)
  kInterleaved,  // element 2i turns with 2i + 1 (GLM-4)
};

struct RopeTable {
  const float* cos = nullptr;  // [rows, rotary_dim / 2]
  const float* sin = nullptr;
};

// cos[r][i] = mscale * cos(positions[r] * inv_freq[i]), the angle and its cosine in double, rounded
// once; sin likewise. Both arrays are [positions.size(), inv_freq.size()].
void rope_table(const Context& context, std::span<const int64_t> positions,
                std::span<const double> inv_freq, double mscale, float* cos, float* sin);

struct RopeArgs {
  int64_t rows = 0;
  int64_t n_heads = 0;
  int64_t head_dim = 0;
  int64_t rotary_dim = 0;  // even, at most head_dim
  RopePairs pairs = RopePairs::kHalfSplit;
  RopeTable table;
  float* x = nullptr;  // [rows, n_heads, head_dim], rotated in place
  int64_t x_stride = 0;
};

// x'[a] = fma(-x[b], sin, x[a] * cos);  x'[b] = fma(x[a], sin, x[b] * cos)
void rope(const Context& context, const RopeArgs& args);

}  // namespace autoglm
