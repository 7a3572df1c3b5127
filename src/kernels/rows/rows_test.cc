// The row kernels through their entries, against formulas in double, and every variant against the
// generic.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/linear/progressive.h"
#include "kernels/norm/rms_norm.h"
#include "kernels/rope/rope.h"
#include "kernels/rows/row_kernels.h"
#include "kernels/testing/values.h"

namespace autoglm {
namespace {

std::vector<float> exp_of(Isa isa, const std::vector<float>& x) {
  std::vector<float> y(x.size());
  row_kernels(isa).exp(x.data(), y.data(), static_cast<int64_t>(x.size()));
  return y;
}

TEST(Exp, IsWithinTwoUlpEverywhereAndTheSameEverywhere) {
  std::vector<float> x;
  for (float v = -110.0f; v < 95.0f; v += 0.0037f) x.push_back(v);
  const std::vector<float> generic = exp_of(Isa::kGeneric, x);
  for (size_t i = 0; i < x.size(); ++i) {
    const double expected = std::exp(double{x[i]});
    if (expected > 3.4028235e38) {
      EXPECT_TRUE(std::isinf(generic[i])) << x[i];
    } else {
      // 2^-149 is the least subnormal; below -104 the result is 0.
      EXPECT_NEAR(generic[i], expected, 2 * 1.2e-7 * expected + 1.5e-45) << x[i];
    }
  }
  for (const Isa isa : isas_here()) expect_same_bits(exp_of(isa, x), generic);
}

TEST(Exp, HasExactEnds) {
  for (const Isa isa : isas_here()) {
    const std::vector<float> y =
        exp_of(isa, {0.0f, -0.0f, -INFINITY, INFINITY, NAN, -200.0f, 1000.0f});
    EXPECT_EQ(y[0], 1.0f);
    EXPECT_EQ(y[1], 1.0f);
    EXPECT_EQ(y[2], 0.0f);
    EXPECT_TRUE(std::isinf(y[3]));
    EXPECT_TRUE(std::isnan(y[4]));
    EXPECT_EQ(y[5], 0.0f);
    EXPECT_TRUE(std::isinf(y[6]));
  }
}

TEST(RmsNorm, NormsWeighsAndAddsTheResidual) {
  constexpr int64_t rows = 3, groups = 2, n = 37, width = groups * n, stride = width + 3;
  const std::vector<float> x = random_values(rows * stride, 1);
  const std::vector<float> weight = random_values(n, 3);
  const std::vector<float> residual = random_values(rows * stride, 4);
  ThreadPool pool(2);
  std::vector<float> first;
  for (const Isa isa : isas_here()) {
    std::vector<float> y(x.size(), -1.0f);
    rms_norm({.pool = pool, .isa = isa}, {.rows = rows,
                                          .groups = groups,
                                          .n = n,
                                          .x = x.data(),
                                          .x_stride = stride,
                                          .weight = weight.data(),
                                          .eps = 1e-5f,
                                          .residual = residual.data(),
                                          .residual_stride = stride,
                                          .y = y.data(),
                                          .y_stride = stride});
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t g = 0; g < groups; ++g) {
        const int64_t at = row * stride + g * n;
        double squares = 0;
        for (int64_t i = 0; i < n; ++i) {
          const float value = x[static_cast<size_t>(at + i)];
          squares += double{value} * value;
        }
        const double factor = 1 / std::sqrt(squares / n + 1e-5);
        for (int64_t i = 0; i < n; ++i) {
          const auto j = static_cast<size_t>(at + i);
          EXPECT_NEAR(y[j], x[j] * factor * weight[static_cast<size_t>(i)] + residual[j], 3e-6);
        }
      }
      for (int64_t i = width; i < stride; ++i) {
        EXPECT_EQ(y[static_cast<size_t>(row * stride + i)], -1.0f);
      }
    }
    if (first.empty()) first = y;
    expect_same_bits(y, first);
  }
}

TEST(RmsNorm, WorksInPlaceAndQuantizesInPassing) {
  constexpr int64_t n = 70;
  const std::vector<float> x = random_values(n, 5);
  ThreadPool pool(1);
  for (const Isa isa : isas_here()) {
    const Context context{.pool = pool, .isa = isa};
    std::vector<float> apart(n);
    rms_norm(context,
             {.rows = 1, .n = n, .x = x.data(), .x_stride = n, .y = apart.data(), .y_stride = n});
    std::vector<float> place = x;
    const auto bytes = static_cast<size_t>(QuantizedRows::bytes(1, n));
    Result<AlignedBuffer> fused = AlignedBuffer::allocate(bytes);
    Result<AlignedBuffer> after = AlignedBuffer::allocate(bytes);
    const QuantizedRows q = QuantizedRows::at(fused->data(), 1, n);
    rms_norm(
        context,
        {.rows = 1, .n = n, .x = place.data(), .x_stride = n, .y = place.data(), .y_stride = n});
    expect_same_bits(place, apart);
    place = x;
    rms_norm(context, {.rows = 1,
                       .n = n,
                       .x = place.data(),
                       .x_stride = n,
                       .y = place.data(),
                       .y_stride = n,
                       .quantized = &q});
    const auto room = static_cast<size_t>(quantize_scratch_bytes(context, n));
    Result<AlignedBuffer> turned = AlignedBuffer::allocate(room);
    quantize_rows(context, apart.data(), n, QuantizedRows::at(after->data(), 1, n),
                  {turned->data(), room});
    EXPECT_EQ(std::memcmp(fused->data(), after->data(), bytes), 0);
  }
}

TEST(RotateInput, GivesThePlainLoopsBitsAndComesBack) {
  for (const int64_t n : {1, 3, 16, 32, 48, 64, 131, 172, 192, 512, 576, 1024, 1536, 2048, 13696}) {
    const Rotation rotation = Rotation::of(n);
    const std::vector<float> x = random_values(n, 11);
    std::vector<float> scales(static_cast<size_t>(n), 1.0f);
    scales[static_cast<size_t>(n / 2)] = 0.25f;
    std::vector<float> expected = x;
    for (size_t i = 0; i < x.size(); ++i) expected[i] *= scales[i];
    rotate(rotation, expected);
    for (const Isa isa : isas_here()) {
      std::vector<float> y(x.size());
      row_kernels(isa).rotate_input(
          {.rotation = rotation, .x = x.data(), .column_scales = scales.data(), .y = y.data()});
      expect_same_bits(y, expected);
      // Back: transpose(T) T = block, and each side is multiplied by the scales once.
      row_kernels(isa).rotate_input_back(
          {.rotation = rotation, .x = y.data(), .column_scales = scales.data(), .y = y.data()});
      for (size_t i = 0; i < x.size(); ++i) {
        const float back = y[i] / (static_cast<float>(rotation.block) * scales[i] * scales[i]);
        EXPECT_NEAR(back, x[i], 2e-5) << n << " at " << i;
      }
    }
  }
}

TEST(Rope, TurnsPairsOfEitherStyleAndLeavesTheRest) {
  constexpr int64_t rows = 5, heads = 3, head_dim = 44, rotary = 36, half = rotary / 2;
  const std::vector<std::array<int32_t, 3>> positions{
      {0, 5, 9}, {1, 1, 1}, {2, 0, 0}, {77, 3, 4}, {100000, 7, 8}};
  std::vector<double> inv_freq;
  for (int64_t i = 0; i < half; ++i) {
    inv_freq.push_back(std::pow(10000.0, -2.0 * static_cast<double>(i) / rotary));
  }
  const std::vector<float> x = random_values(rows * heads * head_dim, 6);
  ThreadPool pool(2);
  for (const RopePairs pairs : {RopePairs::kHalfSplit, RopePairs::kInterleaved}) {
    std::vector<float> first;
    for (const Isa isa : isas_here()) {
      const Context context{.pool = pool, .isa = isa};
      std::vector<float> cos(rows * half), sin(rows * half);
      rope_table(context, {.positions = positions,
                           .inv_freq = inv_freq,
                           .mscale = 1.5,
                           .cos = cos.data(),
                           .sin = sin.data()});
      std::vector<float> y = x;
      rope(context, {.rows = rows,
                     .n_heads = heads,
                     .head_dim = head_dim,
                     .rotary_dim = rotary,
                     .pairs = pairs,
                     .table = {.cos = cos.data(), .sin = sin.data()},
                     .x = y.data(),
                     .x_stride = heads * head_dim});
      for (int64_t row = 0; row < rows; ++row) {
        for (int64_t head = 0; head < heads; ++head) {
          const auto at = static_cast<size_t>((row * heads + head) * head_dim);
          for (int64_t i = 0; i < half; ++i) {
            const bool split = pairs == RopePairs::kHalfSplit;
            const size_t a = at + static_cast<size_t>(split ? i : 2 * i);
            const size_t b = at + static_cast<size_t>(split ? i + half : 2 * i + 1);
            const double angle = static_cast<double>(positions[static_cast<size_t>(row)][0]) *
                                 inv_freq[static_cast<size_t>(i)];
            EXPECT_NEAR(y[a], 1.5 * (x[a] * std::cos(angle) - x[b] * std::sin(angle)), 2e-6);
            EXPECT_NEAR(y[b], 1.5 * (x[b] * std::cos(angle) + x[a] * std::sin(angle)), 2e-6);
          }
          for (size_t i = rotary; i < head_dim; ++i) EXPECT_EQ(y[at + i], x[at + i]);
        }
      }
      if (first.empty()) first = y;
      expect_same_bits(y, first);
    }
  }
}

TEST(Progressive, EveryVariantChoosesTheSameCodesAndCodesWell) {
  // Rounding to the nearest of 16 levels between a group's extremes leaves 0.078 of such weights
  // for 32 of them, and more for more. No 8 levels leave less than 0.186 of a whole normal
  // distribution, no 4 levels less than 0.343 (Max 1960); those of a group are its own. Of 32
  // levels 0.038 would be left, if a step were not a whole number of about 4.6 here.
  constexpr double kRest[4][4] = {{0.35, 0.36, 0.36, 0.36},
                                  {0.17, 0.18, 0.185, 0.19},
                                  {0.078, 0.087, 0.092, 0.095},
                                  {0.042, 0.047, 0.049, 0.051}};
  for (const int bits : {2, 3, 4, 5}) {
    const Progressive form{.bits = bits};
    for (const size_t parts : {1, 2, 3, 4}) {
      double error = 0;
      double power = 0;
      for (uint32_t seed = 0; seed < 200; ++seed) {
        std::vector<float> x = random_values(32 * parts, seed);
        for (float& v : x) v = std::min(127.0f, std::max(-127.0f, v * 35.0f));
        std::vector<ProgressiveGroup> first(parts);
        row_kernels(Isa::kGeneric).choose_group(x.data(), bits, first);
        for (const Isa isa : isas_here()) {
          std::vector<ProgressiveGroup> groups(parts);
          row_kernels(isa).choose_group(x.data(), bits, groups);
          EXPECT_EQ(std::memcmp(groups.data(), first.data(), parts * sizeof(ProgressiveGroup)), 0);
        }
        EXPECT_TRUE(is_expandable(first[0], bits));
        EXPECT_LE(first[0].scale, form.largest_scale());
        for (size_t i = 0; i < x.size(); ++i) {
          const ProgressiveGroup& group = first[i / 32];
          ASSERT_EQ(group.scale, first[0].scale);
          ASSERT_EQ(group.offset, first[0].offset);
          ASSERT_LE(group.codes[i % 32], form.largest_code());
          const double e = double{x[i]} - (group.scale * group.codes[i % 32] + group.offset);
          error += e * e;
          power += double{x[i]} * x[i];
        }
      }
      EXPECT_LT(std::sqrt(error / power), kRest[bits - 2][parts - 1]) << bits << " " << parts;
    }
  }
}

TEST(Elementwise, AddsScalesAndGates) {
  constexpr int64_t rows = 2, n = 19, stride = 21;
  const std::vector<float> a = random_values(rows * stride, 7);
  const std::vector<float> b = random_values(rows * stride, 8);
  ThreadPool pool(1);
  std::vector<float> first;
  for (const Isa isa : isas_here()) {
    const Context context{.pool = pool, .isa = isa};
    std::vector<float> sum(a.size(), 9.0f), gated(a.size(), 9.0f), scaled(a.size(), 9.0f);
    BinaryArgs args{.rows = rows,
                    .n = n,
                    .a = a.data(),
                    .a_stride = stride,
                    .b = b.data(),
                    .b_stride = stride,
                    .y = sum.data(),
                    .y_stride = stride};
    add(context, args);
    args.y = gated.data();
    swiglu(context, args);
    scale(context, {.rows = rows,
                    .n = n,
                    .x = a.data(),
                    .x_stride = stride,
                    .factor = 0.3f,
                    .y = scaled.data(),
                    .y_stride = stride});
    for (size_t i = 0; i < a.size(); ++i) {
      const bool outside = i % stride >= n;
      EXPECT_EQ(sum[i], outside ? 9.0f : a[i] + b[i]);
      EXPECT_EQ(scaled[i], outside ? 9.0f : a[i] * 0.3f);
      EXPECT_NEAR(gated[i], outside ? 9.0 : double{a[i]} / (1 + std::exp(-double{a[i]})) * b[i],
                  1e-6);
    }
    if (first.empty()) first = gated;
    expect_same_bits(gated, first);
  }
}

}  // namespace
}  // namespace autoglm
