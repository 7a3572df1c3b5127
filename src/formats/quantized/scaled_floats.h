// Matrices of eight-bit floats with scales in a grid: weight = scale * float.
#pragma once

#include "formats/quantized/scale_grid.h"

namespace autoglm {

class ScaledFloats final : public QuantizedMatrix {
 public:
  ScaledFloats(StoredTensor floats, ScaleGrid grid)
      : floats_(std::move(floats)), grid_(std::move(grid)) {}

  // The product in f32, rounded to the type of the scales.
  void decode_row(int64_t row, std::span<float> out) const override;

 private:
  StoredTensor floats_;
  ScaleGrid grid_;
};

// The matrix of `weight` [rows, columns] and its `scales`. `stored`: the type that the model's
// weights have, to which the reference implementations decode when scales are f32.
Result<QuantizedModule> scaled_floats(const StoredTensor& weight, const StoredTensor& scales,
                                      const DeclaredGrids& grids, DType stored);

// Errors unless the matrix has two dimensions, both positive.
Result<void> expect_matrix(const StoredTensor& weight);

}  // namespace autoglm
