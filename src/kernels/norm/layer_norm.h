// y = (x - mean) / sqrt(variance + eps) * weight + bias, over whole rows. The variance is that of
// the differences from the mean, in a second pass: rows whose mean is far from zero lose nothing.
#pragma once

#include <cstdint>

#include "kernels/isa.h"

namespace autoglm {

struct LayerNormArgs {
  int64_t rows = 0;
  int64_t n = 0;
  const float* x = nullptr;  // [rows, n]
  int64_t x_stride = 0;
  const float* weight = nullptr;  // [n]
  const float* bias = nullptr;    // [n]
  float eps = 0;
  float* y = nullptr;  // [rows, n], may be x itself
  int64_t y_stride = 0;
};

// Sums are taken as in rms_norm.h.
void layer_norm(const Context& context, const LayerNormArgs& args);

}  // namespace autoglm
