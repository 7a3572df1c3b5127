#include "formats/quantized/affine_matrix.h"

#include "formats/quantized/module.h"

namespace autoglm {

AffineMatrix::Row AffineMatrix::make_row() const {
  const auto groups = static_cast<size_t>((columns_ + group_ - 1) / group_);
  return {.codes = std::vector<uint8_t>(static_cast<size_t>(columns_)),
          .scales = std::vector<float>(groups),
          .zeros = std::vector<int16_t>(groups)};
}

void AffineMatrix::decode_row(int64_t row, std::span<float> out) const {
  Row read = make_row();
  read_row(row, read);
  const auto group = static_cast<size_t>(group_);
  for (size_t i = 0; i < out.size(); ++i) {
    const size_t g = group_of_.empty() ? i / group : static_cast<size_t>(group_of_[i]);
    const int difference = read.codes[i] - read.zeros[g];
    out[i] = rounded_to(dtype_, read.scales[g] * static_cast<float>(difference));
  }
}

}  // namespace autoglm
