// One row for each text of a step, made of all its rows: of its own alone, in their order.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/isa.h"
#include "kernels/whole_attention/whole_attention.h"

namespace autoglm {

enum class PoolingSum : uint8_t {
  kMean,          // the sum of n rows / n
  kMeanSqrt,      // / sqrt(n)
  kWeightedMean,  // row i counts i + 1 times
  kMax,           // of each column
};

struct PoolingArgs {
  std::span<const TextRows> texts;  // none without rows
  PoolingSum kind = PoolingSum::kMean;
  int64_t n = 0;             // columns
  const float* x = nullptr;  // [rows, n]
  int64_t x_stride = 0;
  float* y = nullptr;  // [texts, n]; overlaps no input
  int64_t y_stride = 0;
};

void pool_texts(const Context& context, const PoolingArgs& args);

}  // namespace autoglm
