// Which rows of a matrix, and where their int8 codes go. Plain data between those who read formats
// and those who hold weights.
#pragma once

#include <cstdint>
#include <span>

namespace autoglm {

// Rows [begin, begin + n).
struct RowRange {
  int64_t begin = 0;
  int64_t n = 0;
};

// For n rows of as many columns: weight = code * its row's scale.
struct Int8Rows {
  std::span<int8_t> codes;  // [n, columns]
  std::span<float> scales;  // [n]
};

}  // namespace autoglm
