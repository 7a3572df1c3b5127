// Where a weight lies inside its panel of 16 rows. k is padded to 64 with zeros in the integer
// formats, so that 64 columns of a panel are one AMX tile of 16 rows of 64 bytes.
//
//   f32, f16 [k][16]
//   bf16    [k / 2][16 rows][2 columns], k padded to 32: 32 columns of a panel are one AMX tile
//   int8    [padded_k / 4][16 rows][4 columns]
//   int4    [padded_k / 64] blocks of 576 bytes, two groups of 32 columns each:
//             [8][16 rows][4 columns] nibbles: the low ones are group 0, the high ones group 1
//             [2 groups][16 rows] scales, 0..16
//             [16 rows][2 groups] offsets, signed
//           weight = channel_scale * (scale * nibble + offset), the bracket in [-127, 127]
//
// After the panels of int8 and int4 stand their channel scales, [n_panels][16] floats. Formats that
// hold a file's codes: code_form.h.
#pragma once

#include <cstdint>

namespace autoglm::layout {

inline constexpr int64_t kInt4BlockBytes = 576;
inline constexpr int64_t kInt4Scales = 512;   // offset in a block
inline constexpr int64_t kInt4Offsets = 544;  // offset in a block
inline constexpr int64_t kInt4Group = 32;

constexpr int64_t bf16_at(int64_t k, int64_t lane) { return k / 2 * 32 + lane * 2 + k % 2; }

constexpr int64_t int8_at(int64_t k, int64_t lane) { return k / 4 * 64 + lane * 4 + k % 4; }

constexpr int64_t int4_block(int64_t k) { return k / 64 * kInt4BlockBytes; }
constexpr int64_t int4_nibble_at(int64_t k, int64_t lane) {
  return int4_block(k) + k % 32 / 4 * 64 + lane * 4 + k % 4;
}
constexpr bool int4_is_high(int64_t k) { return k % 64 >= 32; }
constexpr int64_t int4_scale_at(int64_t k, int64_t lane) {
  return int4_block(k) + kInt4Scales + k % 64 / 32 * 16 + lane;
}
constexpr int64_t int4_offset_at(int64_t k, int64_t lane) {
  return int4_block(k) + kInt4Offsets + lane * 2 + k % 64 / 32;
}

}  // namespace autoglm::layout
