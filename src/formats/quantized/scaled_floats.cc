#include "formats/quantized/scaled_floats.h"

#include <algorithm>

#include "quant/blocks.h"

namespace autoglm {

void ScaledFloats::decode_row(int64_t row, std::span<float> out) const {
  decode_elements(floats_.dtype, floats_.row(row), out);
  const auto block = static_cast<size_t>(grid_.column_block);
  for (size_t begin = 0, b = 0; begin < out.size(); begin += block, ++b) {
    const float scale = grid_.at(row, static_cast<int64_t>(b));
    for (float& value : out.subspan(begin, std::min(block, out.size() - begin))) {
      value = rounded_to(grid_.scales.dtype, value * scale);
    }
  }
}

Result<void> expect_matrix(const StoredTensor& weight) {
  const auto positive = [](int64_t n) { return n > 0; };
  if (weight.shape.size() == 2 && std::ranges::all_of(weight.shape, positive)) return {};
  return shape_error(weight, "two dimensions, both positive");
}

Result<QuantizedModule> scaled_floats(const StoredTensor& weight, const StoredTensor& scales,
                                      const DeclaredGrids& grids, DType stored) {
  AGLM_TRY(expect_matrix(weight));
  ScaleGrid grid = AGLM_TRY(scale_grid(scales, weight.shape[0], weight.shape[1], grids));
  auto matrix = std::make_shared<ScaledFloats>(weight, std::move(grid));
  matrix->label = "FP8";
  return QuantizedModule{.matrix = matrix,
                         .rows = weight.shape[0],
                         .columns = weight.shape[1],
                         .dtype = scales.dtype == DType::kF32 ? stored : scales.dtype};
}

}  // namespace autoglm
