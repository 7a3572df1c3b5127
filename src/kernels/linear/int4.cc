#include "kernels/linear/int4.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/rows/row_kernels.h"

namespace autoglm {

float quantize_int4_row(std::span<const float> row, std::span<Int4Group> groups) {
  constexpr size_t kGroup = 32;
  float largest = 0;
  for (const float w : row) largest = std::max(largest, std::abs(w));
  const float d = largest / 127.0f;
  if (!(d > 0) || !std::isfinite(1.0f / d)) {
    std::fill(groups.begin(), groups.end(), Int4Group{});
    return 0;
  }
  // Every instruction set chooses the same codes.
  const auto choose = row_kernels(best_isa()).choose_int4;
  for (size_t g = 0; g < groups.size(); ++g) {
    const size_t begin = g * kGroup;
    const size_t n = std::min(kGroup, row.size() - begin);
    std::array<float, kGroup> x{};
    for (size_t i = 0; i < n; ++i) x[i] = row[begin + i] / d;
    // Repeating the last element keeps padding out of the choice.
    for (size_t i = n; i < kGroup; ++i) x[i] = x[n - 1];
    choose(x.data(), &groups[g]);
  }
  return d;
}

}  // namespace autoglm
