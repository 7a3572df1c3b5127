#include "kernels/linear/int4.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace autoglm {
namespace {

constexpr int kGroup = 32;
constexpr float kMaxScale = 16;  // 16 * 15 <= 254, the span of int8

// Nearest whole number for |x| < 2^22, in a form that compilers vectorise.
float nearest(float x) { return (x + 12582912.0f) - 12582912.0f; }

struct Choice {
  float scale = 0;
  float offset = 0;
  float error = 0;
};

// The squared error of coding x with this scale and offset; `mean_rest` gets the mean of x - scale
// * code.
float coding_error(const float* x, float scale, float offset, float* mean_rest) {
  const float inverse = 1.0f / scale;
  std::array<float, kGroup> rest;
  for (int i = 0; i < kGroup; ++i) {
    const float code = std::min(15.0f, std::max(0.0f, nearest((x[i] - offset) * inverse)));
    rest[i] = x[i] - scale * code;
  }
  std::array<float, 4> sum{};
  std::array<float, 4> error{};
  for (int i = 0; i < kGroup; i += 4) {
    for (int j = 0; j < 4; ++j) {
      const float e = rest[i + j] - offset;
      sum[j] += rest[i + j];
      error[j] += e * e;
    }
  }
  *mean_rest = (sum[0] + sum[1] + sum[2] + sum[3]) / kGroup;
  return error[0] + error[1] + error[2] + error[3];
}

// Offsets for which scale * 0 + offset and scale * 15 + offset are both in [-127, 127].
float allowed_offset(float offset, float scale) {
  return std::min(127.0f - 15.0f * scale, std::max(-127.0f, nearest(offset)));
}

// The best scale around span / 15, each with its offset moved twice to the mean of what the codes
// leave.
Choice choose(const float* x) {
  const auto [low, high] = std::minmax_element(x, x + kGroup);
  const float span = *high - *low;
  const float middle = 0.5f * (*high + *low);
  const float widest = std::min(kMaxScale, std::max(1.0f, std::ceil(span / 15.0f)));
  // A narrower scale clips the extremes and codes the rest finer; below 0.7 it never won.
  const float narrowest = std::max(1.0f, std::floor(span / 15.0f * 0.7f));
  Choice best{.scale = 0, .offset = 0, .error = INFINITY};
  for (float scale = std::min(narrowest, kMaxScale); scale <= widest; scale += 1.0f) {
    float offset = allowed_offset(middle - 7.5f * scale, scale);
    for (int step = 0; step < 3; ++step) {
      float mean = 0;
      const float error = coding_error(x, scale, offset, &mean);
      if (error < best.error) best = {.scale = scale, .offset = offset, .error = error};
      const float moved = allowed_offset(mean, scale);
      if (moved == offset) break;
      offset = moved;
    }
  }
  return best;
}

}  // namespace

float quantize_int4_row(std::span<const float> row, std::span<Int4Group> groups) {
  float largest = 0;
  for (const float w : row) largest = std::max(largest, std::abs(w));
  const float d = largest / 127.0f;
  if (!(d > 0) || !std::isfinite(1.0f / d)) {
    std::fill(groups.begin(), groups.end(), Int4Group{});
    return 0;
  }
  for (size_t g = 0; g < groups.size(); ++g) {
    const size_t begin = g * kGroup;
    const size_t n = std::min<size_t>(kGroup, row.size() - begin);
    std::array<float, kGroup> x{};
    for (size_t i = 0; i < n; ++i) x[i] = row[begin + i] / d;
    // Repeating the last element keeps padding out of the choice.
    for (size_t i = n; i < kGroup; ++i) x[i] = x[n - 1];
    const Choice choice = choose(x.data());
    Int4Group& group = groups[g];
    group.scale = static_cast<uint8_t>(choice.scale);
    group.offset = static_cast<int8_t>(choice.offset);
    for (size_t i = 0; i < kGroup; ++i) {
      const float code = nearest((x[i] - choice.offset) / choice.scale);
      group.codes[i] = static_cast<uint8_t>(std::min(15.0f, std::max(0.0f, code)));
    }
  }
  return d;
}

}  // namespace autoglm
