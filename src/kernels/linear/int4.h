// The choice of progressive int4 codes for one row of weights.
#pragma once

#include <cstdint>
#include <span>

namespace autoglm {

// w[i] is about channel_scale * (scale * code[i] + offset), with scale and offset of i's group: 32
// columns. Larger groups of 64 or 128 columns are two or four of these with the same scale and
// offset.
struct Int4Group {
  static constexpr int64_t kColumns = 32;

  uint8_t scale = 0;  // 0..16
  int8_t offset = 0;
  uint8_t codes[32] = {};  // 0..15
};

// Whether kernels can expand the group: every bracket in [-127, 127]. What the quantizers here
// choose is; what a file holds need not be.
inline bool is_expandable(const Int4Group& group) {
  return group.scale <= 16 && group.offset >= -127 && group.offset + 15 * group.scale <= 127;
}

// Sizes of groups, in columns, that kernels and checkpoints have.
inline constexpr int64_t kInt4GroupSizes[] = {32, 64, 128};

// Fills ceil(row.size() / 32) groups, `group_size` columns alike, and returns the channel scale.
// Elements past the end code a zero as well as they can; they meet zeros. Every element of `row` is
// finite.
float quantize_int4_row(std::span<const float> row, int64_t group_size,
                        std::span<Int4Group> groups);

}  // namespace autoglm
