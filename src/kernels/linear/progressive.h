// The choice of progressive codes for one row of weights.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/progressive.h"

namespace autoglm {

// w[i] is about channel_scale * (scale * code[i] + offset), with scale and offset of i's group: 32
// columns. Larger groups of 64 or 128 columns are two or four of these with the same scale and
// offset.
struct ProgressiveGroup {
  static constexpr int64_t kColumns = 32;

  uint8_t scale = 0;  // 0..largest_scale()
  int8_t offset = 0;
  uint8_t codes[32] = {};  // 0..largest_code()
};

// For n rows of as many columns.
struct ProgressiveRows {
  std::span<ProgressiveGroup> groups;  // [n, ceil(columns / 32)]
  std::span<float> scales;             // [n]: the channel scales
};

// Whether kernels can expand the group: every bracket in [-127, 127]. What the quantizers here
// choose is; what a file holds need not be.
inline bool is_expandable(const ProgressiveGroup& group, int bits) {
  const int largest_code = (1 << bits) - 1;
  return group.offset >= -127 && group.offset + largest_code * group.scale <= 127;
}

// Fills ceil(row.size() / 32) groups, those of one group of `form` alike, and returns the channel
// scale. Elements past the end code a zero as well as they can; they meet zeros. Every element of
// `row` is finite.
float quantize_progressive_row(std::span<const float> row, Progressive form,
                               std::span<ProgressiveGroup> groups);

}  // namespace autoglm
