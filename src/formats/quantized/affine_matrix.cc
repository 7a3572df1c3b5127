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

CodeKind AffineMatrix::code_kind() const {
  std::call_once(once_, [this] { kind_ = find_kind(); });
  return kind_;
}

CodeKind AffineMatrix::find_kind() const {
  const bool whole = columns_ % CodeRow::kGroup == 0 && group_ % CodeRow::kGroup == 0;
  if (!whole || !group_of_.empty() || !exact_in_f16(scale_tensor())) return CodeKind::kNone;
  if (symmetric()) return bits_ <= 4 ? CodeKind::kSimple4 : CodeKind::kSimple8;
  // Less a zero point, codes of 4 bits need 5.
  return bits_ <= 4 ? CodeKind::kSimple8 : CodeKind::kNone;
}

void AffineMatrix::read_codes(int64_t row, CodeRow& out) const {
  Row read = make_row();
  read_row(row, read);
  out.resize(code_kind(), columns_);
  for (size_t i = 0; i < out.codes.size(); ++i) {
    const size_t g = i / static_cast<size_t>(group_);
    out.codes[i] = static_cast<int8_t>(read.codes[i] - read.zeros[g]);
    out.scales[i / CodeRow::kGroup] = read.scales[g];
  }
}

}  // namespace autoglm
