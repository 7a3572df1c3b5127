// Operations on each element alone: sum, SwiGLU, GELU, tanh. (Where they follow a product, linear()
// does them.)
#pragma once

#include <cstdint>

#include "kernels/isa.h"

namespace autoglm {

struct BinaryArgs {
  int64_t rows = 0;
  int64_t n = 0;
  const float* a = nullptr;  // [rows, n]
  int64_t a_stride = 0;
  const float* b = nullptr;  // [rows, n]
  int64_t b_stride = 0;
  float* y = nullptr;  // [rows, n]; may be a or b itself
  int64_t y_stride = 0;
};

void add(const Context& context, const BinaryArgs& args);     // y = a + b
void swiglu(const Context& context, const BinaryArgs& args);  // y = silu(a) * b

struct UnaryArgs {
  int64_t rows = 0;
  int64_t n = 0;
  const float* x = nullptr;  // [rows, n]
  int64_t x_stride = 0;
  float* y = nullptr;  // [rows, n]; may be x itself
  int64_t y_stride = 0;
};

void gelu(const Context& context, const UnaryArgs& args);  // x / 2 (1 + erf(x / sqrt(2)))
void tanh(const Context& context, const UnaryArgs& args);

struct ScaleArgs {
  int64_t rows = 0;
  int64_t n = 0;
  const float* x = nullptr;  // [rows, n]
  int64_t x_stride = 0;
  float factor = 1;
  float* y = nullptr;  // [rows, n]; may be x itself
  int64_t y_stride = 0;
};

void scale(const Context& context, const ScaleArgs& args);  // y = x * factor

}  // namespace autoglm
