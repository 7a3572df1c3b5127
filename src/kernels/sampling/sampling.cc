#include "kernels/sampling/sampling.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/check.h"

namespace autoglm {
namespace {

// Whether logit `a` of id `i` stands before logit `b` of id `j`. A strict order also with
// not-a-number, which is taken as the least.
bool before(float a, int32_t i, float b, int32_t j) {
  const bool a_is_number = !std::isnan(a);
  const bool b_is_number = !std::isnan(b);
  if (a_is_number != b_is_number) return a_is_number;
  if (a_is_number && a != b) return a > b;
  return i < j;
}

}  // namespace

int32_t argmax(std::span<const float> logits) {
  size_t best = 0;
  for (size_t i = 1; i < logits.size(); ++i) {
    if (logits[i] > logits[best] || (std::isnan(logits[best]) && !std::isnan(logits[i]))) best = i;
  }
  return static_cast<int32_t>(best);
}

SoftmaxStats softmax_stats(std::span<const float> logits) {
  float max = -std::numeric_limits<float>::infinity();
  for (const float x : logits) max = x > max ? x : max;
  std::array<double, 16> lanes{};
  for (size_t i = 0; i < logits.size(); ++i) {
    if (!std::isnan(logits[i])) lanes[i % 16] += std::exp(static_cast<double>(logits[i] - max));
  }
  for (size_t width = 8; width > 0; width /= 2) {
    for (size_t i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  }
  return {max, static_cast<float>(std::log(lanes[0]))};
}

void top_k(std::span<const float> logits, std::span<int32_t> out) {
  AGLM_CHECK(out.size() <= logits.size(), "{} of {} logits", out.size(), logits.size());
  if (out.empty()) return;
  const auto first = [&](int32_t i, int32_t j) {
    return before(logits[static_cast<size_t>(i)], i, logits[static_cast<size_t>(j)], j);
  };
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<int32_t>(i);
  // With `first` as "less", the heap's root is the least of those kept.
  std::make_heap(out.begin(), out.end(), first);
  for (size_t i = out.size(); i < logits.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    if (!first(id, out.front())) continue;
    std::pop_heap(out.begin(), out.end(), first);
    out.back() = id;
    std::push_heap(out.begin(), out.end(), first);
  }
  std::sort_heap(out.begin(), out.end(), first);
}

}  // namespace autoglm
