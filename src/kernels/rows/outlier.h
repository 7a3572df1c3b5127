// A number of a row that is kept apart because it would spoil the scale of its group.
#pragma once

#include <cstdint>

namespace autoglm {

struct Outlier {
  int32_t column;
  float value;
};

}  // namespace autoglm
