#include "kernels/linear/column_scales.h"

#include <algorithm>
#include <cmath>

namespace autoglm {

std::vector<float> choose_column_scales(std::span<const float> weights,
                                        std::span<const float> inputs) {
  std::vector<float> scales(weights.size(), 1.0f);
  std::vector<float> logs(weights.size(), NAN);  // log2 of each ratio
  std::vector<float> known;
  for (size_t i = 0; i < weights.size(); ++i) {
    const float input = inputs.empty() ? 1.0f : std::abs(inputs[i]);
    const float log = std::log2(weights[i] / input);
    if (!std::isfinite(log)) continue;  // a column of zeros, or one that only meets zeros
    logs[i] = log;
    known.push_back(log);
  }
  if (known.empty()) return scales;
  const auto middle = known.begin() + static_cast<std::ptrdiff_t>(known.size() / 2);
  std::ranges::nth_element(known, middle);
  for (size_t i = 0; i < scales.size(); ++i) {
    const float above = logs[i] - *middle;
    const bool raised = inputs.empty() && above < 0;
    const float exponent = std::nearbyint(raised ? above : above / 2);
    // 2^40: far beyond any channel, and far from overflowing a product of two scales.
    if (std::abs(exponent) >= 2 && std::abs(exponent) <= 40) scales[i] = std::exp2(exponent);
  }
  return scales;
}

}  // namespace autoglm
