// Rotary position embedding of the first `rotary_dim` elements of each head. The angles' table is
// made once a step and used by every layer.
#pragma once

#include <array>
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

struct RopeTableArgs {
  std::span<const std::array<int32_t, 3>> positions;  // of each row: temporal, height, width
  std::span<const double> inv_freq;
  // Which of the three each frequency reads (M-RoPE); empty: all read the first.
  std::span<const uint8_t> components;
  double mscale = 1;
  float* cos = nullptr;  // [positions.size(), inv_freq.size()]
  float* sin = nullptr;
};

// cos[r][i] = mscale * cos(positions[r][components[i]] * inv_freq[i]), the angle and its cosine in
// double, rounded once; sin likewise.
void rope_table(const Context& context, const RopeTableArgs& args);

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
