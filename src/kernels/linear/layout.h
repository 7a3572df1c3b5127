// Where a weight lies inside its panel of 16 rows. k is padded to 64 with zeros in the integer
// formats, so that 64 columns of a panel are one AMX tile of 16 rows of 64 bytes.
//
//   f32, f16 [k][16]
//   bf16    [k / 2][16 rows][2 columns], k padded to 32: 32 columns of a panel are one AMX tile
//   int8    [padded_k / 4][16 rows][4 columns]
//   int4    [padded_k / 64] blocks of 576 bytes, two groups of 32 columns each:
//             [8][16 rows][4 columns] nibbles: the low ones are columns 0..31, the high ones 32..63
//             [2 groups][16 rows] scales, 0..16
//             [16 rows][2 groups] offsets, signed
//           weight = channel_scale * (scale * nibble + offset), the bracket in [-127, 127]
//   int4 in groups of 64 or 128: stretches of 256 columns, the last one perhaps of fewer blocks of
//   64,
//             [blocks] nibbles as above, 512 bytes each
//             [groups][[16 rows] scales, [16 rows] offsets]
//           and a panel is padded to 64 bytes
//
// After the panels of int8 and int4 stand their channel scales, [n_panels][16] floats. Formats that
// hold a file's codes: code_form.h.
#pragma once

#include <cstdint>

namespace autoglm::layout {

constexpr int64_t bf16_at(int64_t k, int64_t lane) { return k / 2 * 32 + lane * 2 + k % 2; }

constexpr int64_t int8_at(int64_t k, int64_t lane) { return k / 4 * 64 + lane * 4 + k % 4; }

inline constexpr int64_t kInt4CodeBytes = 512;  // of a block of 64 columns

// Panels of int4 with one size of groups: 32, 64 or 128 columns.
struct Int4Panel {
  int64_t group = 32;
  int64_t n_blocks = 0;  // of 64 columns

  constexpr int64_t stretch() const { return group == 32 ? 1 : 4; }  // blocks
  constexpr int64_t stretch_bytes() const {
    return stretch() * kInt4CodeBytes + stretch() * 64 / group * 32;
  }
  // Bytes of a block with its share of scales and offsets; whole stretches have no others.
  constexpr int64_t mean_block_bytes() const { return stretch_bytes() / stretch(); }

  constexpr int64_t codes_at(int64_t block) const {
    return block / stretch() * stretch_bytes() + block % stretch() * kInt4CodeBytes;
  }
  // The scales of a block's first group; its offsets stand behind them.
  constexpr int64_t scales_at(int64_t block) const {
    const int64_t first = block / stretch() * stretch();
    const int64_t blocks = n_blocks - first < stretch() ? n_blocks - first : stretch();
    return codes_at(first) + blocks * kInt4CodeBytes + block % stretch() * 64 / group * 32;
  }
  constexpr int64_t bytes() const {
    if (n_blocks == 0) return 0;
    const int64_t end = scales_at(n_blocks - 1) + (group == 32 ? 64 : 32);
    return (end + 63) / 64 * 64;
  }

  constexpr int64_t nibble_at(int64_t k, int64_t lane) const {
    return codes_at(k / 64) + k % 32 / 4 * 64 + lane * 4 + k % 4;
  }
  static constexpr bool is_high(int64_t k) { return k % 64 >= 32; }
  constexpr int64_t scale_at(int64_t k, int64_t lane) const {
    return scales_at(k / 64) + lane + (group == 32 ? k % 64 / 32 * 16 : 0);
  }
  constexpr int64_t offset_at(int64_t k, int64_t lane) const {
    return scales_at(k / 64) + (group == 32 ? 32 + lane * 2 + k % 64 / 32 : 16 + lane);
  }
};

}  // namespace autoglm::layout
