#include "quant/grid.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "quant/blocks.h"
#include "quant/codes.h"

namespace autoglm {
namespace {

std::vector<float> natural_row(uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 0.02f);
  std::vector<float> row(256);
  for (float& w : row) w = normal(random);
  std::fill(row.begin() + 32, row.begin() + 64, 0.0f);  // a group of nothing lies on every grid
  return row;
}

std::vector<float> decoded(DType dtype, const std::vector<float>& row) {
  std::vector<std::byte> bytes(row.size() / static_cast<size_t>(dtype_info(dtype).block_elements) *
                               static_cast<size_t>(dtype_info(dtype).block_bytes));
  encode_elements(dtype, row, bytes);
  std::vector<float> out(row.size());
  decode_elements(dtype, bytes, out);
  return out;
}

TEST(Grid, IsFoundInWhatEverySimpleBlockFormatDecodesTo) {
  struct {
    DType dtype;
    CodeKind kind;
  } constexpr kFormats[] = {{DType::kQ4_0, CodeKind::kSimple4},
                            {DType::kQ4_1, CodeKind::kSimple4Minimum},
                            {DType::kQ5_0, CodeKind::kSimple8},
                            {DType::kQ5_1, CodeKind::kSimple8Minimum},
                            {DType::kQ8_0, CodeKind::kSimple8}};
  for (const auto& [dtype, kind] : kFormats) {
    for (uint32_t seed = 0; seed < 20; ++seed) {
      const std::vector<float> row = decoded(dtype, natural_row(seed));
      ASSERT_EQ(grid_kind(row), kind) << dtype_info(dtype).name << " seed " << seed;
      CodeRow codes;
      codes_on_grid(kind, row, codes);
      for (size_t i = 0; i < row.size(); ++i) {
        const float held =
            codes.scales[i / 32] * static_cast<float>(codes.codes[i]) - codes.minima[i / 32];
        ASSERT_NEAR(held, row[i], 1e-8) << dtype_info(dtype).name << " at " << i;
      }
    }
  }
}

TEST(Grid, IsNotFoundInWeightsThatNobodyRounded) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    EXPECT_EQ(grid_kind(natural_row(seed)), CodeKind::kNone);
    std::vector<float> moved = decoded(DType::kQ4_1, natural_row(seed));
    for (size_t i = 0; i < moved.size(); i += 7) moved[i] *= 1.001f;
    EXPECT_EQ(grid_kind(moved), CodeKind::kNone);
  }
  EXPECT_EQ(grid_kind(std::vector<float>(48)), CodeKind::kNone);
  EXPECT_EQ(grid_kind(std::vector<float>(64, NAN)), CodeKind::kNone);
  EXPECT_EQ(grid_kind({}), CodeKind::kNone);
}

}  // namespace
}  // namespace autoglm
