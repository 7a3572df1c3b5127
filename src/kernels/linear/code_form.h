// The formats that hold a file's codes: weight = scale * code - minimum, a scale and perhaps a
// minimum for each group of columns of a row (tensor/code_row.h), nothing rounded. In a panel of 16
// rows, blocks of 64 columns follow one another:
//
//   4-bit codes   [8][16 rows][4 columns] nibbles: the low ones are columns 0..31, the high ones
//                 32..63; stored plus `zero`
//   8-bit codes   [16][16 rows][4 columns], signed
//   simple        [2 groups][16 rows] scales, then as many minima, in f16
//   nested        [64 / group][16 rows] small scales, then as many small minima, signed bytes;
//                 before every four blocks a header of 64 bytes: [16 rows] f16 scales, then minima
//
// The product: for each group, in ascending order, with its integer sums over codes and values of
// activations, with the activations' own scale for their 32 columns, and with the numbers x of the
// group that are kept apart (quantized_rows.h),
//   y = fma(scale, float(sum code * value) * x_scale, y)
//   y = fma(-minimum, float(sum value) * x_scale + x + ..., y)
// and then for each x, in ascending columns,
//   y = fma(scale * code, x, y)
// The integers are exact in f32. The same order on every instruction set
// (docs/decisions/0040, 0170).
#pragma once

#include <cstdint>
#include <iterator>
#include <utility>

#include "kernels/linear/packed_weight.h"
#include "kernels/linear/quantized_rows.h"

namespace autoglm {

struct CodeForm {
  int bits;   // of a code: 4 or 8
  int group;  // columns of a scale: 32 or 16
  bool nested;
  bool minimum;
  int zero;  // added to codes of 4 bits, so that they are not negative

  // Rows are multiples of this.
  constexpr int64_t columns() const { return nested ? 256 : 32; }
  constexpr int64_t groups() const { return 64 / group; }  // in a block
  constexpr int64_t header_bytes() const { return nested ? 64 : 0; }
  constexpr int64_t code_bytes() const { return bits * 128; }  // of a block
  constexpr int64_t scales_bytes() const { return groups() * 16 * (nested ? 1 : 2); }
  constexpr int64_t block_bytes() const {
    return code_bytes() + scales_bytes() * (minimum ? 2 : 1);
  }
  constexpr int64_t block_at(int64_t b) const {
    return b * block_bytes() + (nested ? (b / 4 + 1) * header_bytes() : 0);
  }
  constexpr int64_t header_at(int64_t b) const { return b / 4 * (4 * block_bytes() + 64); }
  // Of codes of 8 bits.
  static constexpr int64_t byte_at(int64_t k, int64_t lane) {
    return k / 4 * 64 + lane * 4 + k % 4;
  }
  // Of codes of 4 bits; in the upper half of the byte from column 32 on.
  static constexpr int64_t nibble_at(int64_t k, int64_t lane) {
    return k % 32 / 4 * 64 + lane * 4 + k % 4;
  }
};

// In the order of CodeKind, from kSimple4 on.
inline constexpr CodeForm kCodeForms[] = {
    {4, 32, false, false, 8},  // Q4_0, symmetric GPTQ
    {4, 32, false, true, 0},   // Q4_1
    {8, 32, false, false, 0},  // Q8_0, Q5_0
    {8, 32, false, true, 0},   // Q5_1
    {4, 32, true, true, 0},    // Q4_K
    {8, 32, true, true, 0},    // Q5_K
    {8, 16, true, false, 0},   // Q6_K
    {8, 16, true, true, 0},    // several of them
};

// `format` holds codes.
constexpr const CodeForm& code_form(WeightFormat format) {
  return kCodeForms[static_cast<int>(code_kind_of(format)) - static_cast<int>(CodeKind::kSimple4)];
}

// Calls visit.template operator()<i>(), kCodeForms[i] being the form of `format`.
template <class Visit>
void with_code_form(WeightFormat format, Visit visit) {
  const auto form = static_cast<size_t>(&code_form(format) - kCodeForms);
  [&]<size_t... kForms>(std::index_sequence<kForms...>) {
    (void)((kForms == form && (visit.template operator()<int{kForms}>(), true)) || ...);
  }
  (std::make_index_sequence<std::size(kCodeForms)>());
}

}  // namespace autoglm
