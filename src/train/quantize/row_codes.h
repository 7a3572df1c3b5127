// The choice of codes for one row of weights, by search: slower than what the kernels do while
// they load (kernels/linear/progressive.h), and closer. The forms are those of PackedWeight: int8
// with one scale a row, and progressive codes; rows are turned (turned.h) before they come here.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/linear/progressive.h"
#include "train/quantize/precision.h"

namespace autoglm {

// One row of codes; `values` for 8 bits, `groups` for fewer.
struct RowCodes {
  float channel_scale = 0;
  std::vector<ProgressiveGroup> groups;
  std::vector<int8_t> values;

  // The weights that the codes stand for, as the kernels use them.
  void decode(std::span<float> out) const;
};

// Makes sum(importance * (row - decoded)^2) small. `importance` is not negative, one for each
// weight: the mean square of the activation that the weight meets, or empty for all ones. Weights
// are finite.
RowCodes choose_progressive(std::span<const float> row, std::span<const float> importance,
                            Progressive form);
RowCodes choose_int8(std::span<const float> row, std::span<const float> importance);
RowCodes choose_codes(std::span<const float> row, std::span<const float> importance,
                      Precision precision);

// One group for a channel scale that is given: `x` are up to 128 weights over that scale, `alike`
// ceil(x.size() / 32) groups.
void choose_group(std::span<const float> x, std::span<const float> importance, int bits,
                  std::span<ProgressiveGroup> alike);

// The code of one weight over the channel scale.
int group_code(const ProgressiveGroup& group, int bits, float x);

}  // namespace autoglm
