#include "tensor/rotation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace autoglm {
namespace {

// Columns of GLM-4, SmolLM2, tiny-glm, stories260K, and edges.
constexpr int64_t kColumns[] = {1, 2, 7, 64, 172, 192, 512, 576, 640, 1536, 4096, 13696};

TEST(Rotation, IsAMatrixWhoseTransposeUndoesIt) {
  for (const int64_t n : kColumns) {
    const Rotation rotation = Rotation::of(n);
    EXPECT_EQ(n % rotation.block, 0);
    EXPECT_LE(rotation.span(), n);
    EXPECT_GE(2 * rotation.span(), n) << "every column is in B1 or B2";
    std::vector<float> x(static_cast<size_t>(n));
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 17) - 8;
    std::vector<float> y = x;
    rotate(rotation, y);
    rotate_back(rotation, y);
    for (size_t i = 0; i < x.size(); ++i) {
      EXPECT_NEAR(y[i] / static_cast<float>(rotation.block), x[i], 1e-3) << n << " at " << i;
    }
  }
}

TEST(Rotation, SpreadsWhatStandsOut) {
  for (const int64_t n : kColumns) {
    if (n < 64) continue;
    for (const int64_t at : {int64_t{0}, n / 3, n - 1}) {
      const Rotation rotation = Rotation::of(n);
      std::vector<float> x(static_cast<size_t>(n));
      x[static_cast<size_t>(at)] = 1;
      rotate(rotation, x);
      const float norm = std::sqrt(static_cast<float>(rotation.block));
      const float peak =
          std::abs(*std::ranges::max_element(x, {}, [](float v) { return std::abs(v); }));
      EXPECT_LT(peak / norm, 0.36f) << n << " from " << at;
    }
  }
}

}  // namespace
}  // namespace autoglm
