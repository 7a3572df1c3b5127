// For tests of kernels: made-up numbers, and comparing bit for bit.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace autoglm {

// Normally distributed around 0.
inline std::vector<float> random_values(int64_t n, uint32_t seed, float spread = 1.0f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, spread);
  std::vector<float> values(static_cast<size_t>(n));
  for (float& v : values) v = normal(random);
  return values;
}

// Stops at the first difference: after one there are mostly many.
inline void expect_same_bits(std::span<const float> found, std::span<const float> expected,
                             const std::string& what = {}) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  for (size_t i = 0; i < found.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(found[i]), std::bit_cast<uint32_t>(expected[i]))
        << what << " element " << i << ": found " << found[i] << ", expected " << expected[i];
  }
}

}  // namespace autoglm
