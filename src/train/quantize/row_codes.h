// The choice of codes for one row of weights, by search: slower than what the kernels do while
// they load (kernels/linear/int4.h), and closer. The forms are those of PackedWeight: int8 with one
// scale a row, and progressive int4.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/linear/int4.h"
#include "train/quantize/precision.h"

namespace autoglm {

// One row of codes; `groups` for 4 bits, `values` for 8.
struct RowCodes {
  float channel_scale = 0;
  std::vector<Int4Group> groups;
  std::vector<int8_t> values;

  // The weights that the codes stand for, as the kernels use them.
  void decode(std::span<float> out) const;
};

// Makes sum(importance * (row - decoded)^2) small. `importance` is not negative, one for each
// weight: the mean square of the activation that the weight meets, or empty for all ones. Weights
// are finite.
RowCodes choose_int4(std::span<const float> row, std::span<const float> importance,
                     int64_t group_size);
RowCodes choose_int8(std::span<const float> row, std::span<const float> importance);
RowCodes choose_codes(std::span<const float> row, std::span<const float> importance,
                      Precision precision);

// One group for a channel scale that is given: `x` are up to 128 weights over that scale, `alike`
// ceil(x.size() / 32) groups.
void choose_int4_group(std::span<const float> x, std::span<const float> importance,
                       std::span<Int4Group> alike);

// The code of one weight over the channel scale.
int int4_code(const Int4Group& group, float x);

}  // namespace autoglm
