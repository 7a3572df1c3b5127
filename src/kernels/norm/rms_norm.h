// y = x / sqrt(mean(x^2) + eps) * weight, over stretches of n elements; optionally
// with the result quantized in passing for the product that follows.
#pragma once

#include <cstdint>

#include "kernels/isa.h"
#include "kernels/linear/quantized_rows.h"

namespace autoglm {

struct RmsNormArgs {
  int64_t rows = 0;
  int64_t groups = 1;        // stretches side by side in a row, each normed alone: heads of q or k
  int64_t n = 0;             // elements of a stretch
  const float* x = nullptr;  // [rows, groups * n]
  int64_t x_stride = 0;
  const float* weight = nullptr;  // [n]; null: all ones
  float eps = 0;
  const float* residual =
      nullptr;  // [rows, groups * n] added to the result, or null; may be y itself
  int64_t residual_stride = 0;
  float* y = nullptr;  // [rows, groups * n], may be x itself
  int64_t y_stride = 0;
  // Of the result, or null; needs groups == 1, and y is then room that holds no result.
  const QuantizedRows* quantized = nullptr;
};

// Sums are taken in 16 lanes (element i in lane i % 16), lanes joined in one fixed tree, in f32.
void rms_norm(const Context& context, const RmsNormArgs& args);

}  // namespace autoglm
