// Rows of an embedding table for the step's tokens, as f32: from the packed weight (tied with the
// output layer) or from rows as a checkpoint stores them.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/isa.h"
#include "kernels/linear/packed_weight.h"
#include "tensor/dtype.h"

namespace autoglm {

struct EmbeddingArgs {
  std::span<const int32_t> ids;          // each below the table's rows
  const PackedWeight* packed = nullptr;  // one of the two is given
  const std::byte* stored = nullptr;     // [rows, n] of `dtype`, unaligned is fine
  DType dtype = DType::kF32;             // kF32, kF16 or kBF16
  int64_t n = 0;                         // columns
  float* y = nullptr;                    // [ids.size(), n]
  int64_t y_stride = 0;
};

void embedding(const Context& context, const EmbeddingArgs& args);

}  // namespace autoglm
