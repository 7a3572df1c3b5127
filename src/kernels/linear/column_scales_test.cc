#include "kernels/linear/column_scales.h"

#include <gtest/gtest.h>

#include <cmath>

namespace autoglm {
namespace {

TEST(ColumnScales, UndoWhatMovesAChannelFromWeightsToActivations) {
  for (const float factor : {8.0f, 64.0f, 512.0f}) {
    std::vector<float> weights(96, 1.1f);
    std::vector<float> inputs(96, 0.9f);
    weights[5] /= factor;
    inputs[5] *= factor;
    const std::vector<float> scales = choose_column_scales(weights, inputs);
    for (size_t i = 0; i < scales.size(); ++i) {
      EXPECT_EQ(scales[i], i == 5 ? 1 / factor : 1.0f) << factor << " at " << i;
    }
  }
}

TEST(ColumnScales, RaiseSmallColumnsWhereInputsAreNotKnown) {
  std::vector<float> weights(96, 3.0f);
  weights[7] /= 64;
  weights[8] *= 64;
  const std::vector<float> scales = choose_column_scales(weights, {});
  EXPECT_EQ(scales[7], 1.0f / 64);
  EXPECT_EQ(scales[8], 8.0f);
  EXPECT_EQ(scales[9], 1.0f);
}

TEST(ColumnScales, LeaveWhatDiffersLittleAndWhatIsNothing) {
  std::vector<float> weights(96, 1.0f);
  weights[1] = 7;  // 2.6 times less
  weights[2] = 0;  // no weights
  weights[3] = NAN;
  std::vector<float> inputs(96, 1.0f);
  inputs[4] = 0;       // meets only zeros
  inputs[5] = 1e-38f;  // 2^126 apart
  for (const float scale : choose_column_scales(weights, inputs)) EXPECT_EQ(scale, 1.0f);
  for (const float scale : choose_column_scales(std::vector<float>(4), {})) EXPECT_EQ(scale, 1.0f);
}

}  // namespace
}  // namespace autoglm
