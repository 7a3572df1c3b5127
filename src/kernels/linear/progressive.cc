#include "kernels/linear/progressive.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/rows/row_kernels.h"

namespace autoglm {

float quantize_progressive_row(std::span<const float> row, Progressive form,
                               std::span<ProgressiveGroup> groups) {
  const auto size = static_cast<size_t>(form.group_size);
  constexpr size_t kColumns = ProgressiveGroup::kColumns;
  float largest = 0;
  for (const float w : row) largest = std::max(largest, std::abs(w));
  const float d = largest / 127.0f;
  if (!(d > 0) || !std::isfinite(1.0f / d)) {
    std::fill(groups.begin(), groups.end(), ProgressiveGroup{});
    return 0;
  }
  // Every instruction set chooses the same codes.
  const auto choose = row_kernels(best_isa()).choose_group;
  std::array<float, 128> x{};
  for (size_t begin = 0; begin < row.size(); begin += size) {
    const size_t n = std::min(size, row.size() - begin);
    const std::span<ProgressiveGroup> alike =
        groups.subspan(begin / kColumns, (n + kColumns - 1) / kColumns);
    for (size_t i = 0; i < n; ++i) x[i] = row[begin + i] / d;
    // Repeating the last element keeps padding out of the choice.
    for (size_t i = n; i < alike.size() * kColumns; ++i) x[i] = x[n - 1];
    choose(x.data(), form.bits, alike);
  }
  return d;
}

}  // namespace autoglm
