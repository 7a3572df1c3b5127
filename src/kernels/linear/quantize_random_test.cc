// quantize_rows(), and a norm that quantizes in passing, on random rows: every instruction set
// writes the same bytes, every code is the nearest to what a rotation in double gives, and faults
// show in their own row or group alone.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/linear/quantized_rows.h"
#include "kernels/norm/rms_norm.h"
#include "kernels/testing/guarded_rows.h"
#include "kernels/testing/random_cases.h"
#include "tensor/rotation.h"

namespace autoglm {
namespace {

constexpr double kUlp = 0x1p-24;

// Sylvester's matrix over n numbers that lie `stride` apart, by its definition: the sign in row i
// and column j is that of the parity of i & j.
void hadamard(std::vector<double>& x, int64_t begin, int64_t stride, int64_t n) {
  std::vector<double> y(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      const bool odd = std::popcount(static_cast<uint64_t>(i & j)) % 2 == 1;
      const double value = x[static_cast<size_t>(begin + j * stride)];
      y[static_cast<size_t>(i)] += odd ? -value : value;
    }
  }
  for (int64_t i = 0; i < n; ++i)
    x[static_cast<size_t>(begin + i * stride)] = y[static_cast<size_t>(i)];
}

// tensor/rotation.h in double: T x.
std::vector<double> turned(const Rotation& r, std::vector<double> x) {
  for (int64_t b = 0; b < r.columns; b += r.block) hadamard(x, b, 1, r.block);
  const auto across = [&](int64_t begin) {
    for (int64_t i = 0; i < r.block; ++i) hadamard(x, begin + i, r.block, r.blocks);
    for (int64_t i = begin; i < begin + r.span(); ++i) {
      x[static_cast<size_t>(i)] /= std::sqrt(static_cast<double>(r.blocks));
    }
  };
  across(0);
  if (r.second_begin() > 0) across(r.second_begin());
  return x;
}

struct Quantized {
  GuardedBytes memory;
  QuantizedRows rows;

  Quantized(int64_t n, int64_t k) : memory(QuantizedRows::bytes(n, k), 64) {
    rows = QuantizedRows::at(memory.data(), n, k);
  }
  void expect_same(const Quantized& expected, const std::string& what) const {
    EXPECT_TRUE(std::ranges::equal(memory.span(), expected.memory.span())) << what;
    memory.expect_untouched_outside(what);
  }
};

struct How {
  Rounding rounding = Rounding::kTurned;
  bool tiled = false;
  const float* column_scales = nullptr;
};

Quantized quantized(const Context& context, const GuardedRows& x, const How& how) {
  Quantized q(x.rows(), x.columns());
  q.rows.rounding = how.rounding;
  q.rows.tiled = how.tiled;
  q.rows.column_scales = how.column_scales;
  const GuardedBytes scratch(quantize_scratch_bytes(context, x.columns()), 64);
  quantize_rows(context, x.data(), x.stride(), q.rows, scratch.span());
  scratch.expect_untouched_outside("scratch of quantize_rows");
  return q;
}

// A code stands for a number within half a step, and `slack` for roundings before.
void expect_nearest(int8_t code, float scale, double exact, double slack, const std::string& what) {
  ASSERT_GE(code, -127) << what;
  // Rounded besides: the scale, its inverse, and the product that becomes the code; and scales next
  // to the least number.
  const double step = (0.5 + 4 * 127 * kUlp) * double{scale};
  ASSERT_NEAR(double{scale} * code, exact, step + slack + 1e-43) << what;
}

void expect_turned_row(const QuantizedRows& q, int64_t row, std::span<const float> x,
                       std::span<const float> scales) {
  const std::string what = "row " + std::to_string(row) + " of " + std::to_string(q.k);
  std::vector<double> exact(x.begin(), x.end());
  double sum = 0;
  for (size_t i = 0; i < exact.size(); ++i) sum += std::abs(exact[i] *= double{scales[i]});
  exact = turned(Rotation::of(q.k), exact);
  exact.resize(static_cast<size_t>(q.padded_k()));
  double peak = 0;
  for (const double v : exact) peak = std::max(peak, std::abs(v));
  // At most 9 stages of the block, 17 of the blocks, twice, and the factors: each rounds sums that
  // are no larger than that of all magnitudes.
  const double slack = sum * 30 * kUlp + 1e-43;
  ASSERT_NEAR(q.scales[row], peak / 127, slack / 127 + peak * kUlp + 1e-36) << what;
  int32_t total = 0;
  for (int64_t k = 0; k < q.padded_k(); ++k) {
    const int8_t code = q.row_values(row)[k / 64 * q.block_stride() + k % 64];
    total += code;
    expect_nearest(code, q.scales[row], exact[static_cast<size_t>(k)],
                   slack + (q.scales[row] == 0 ? 1e-36 : 0),
                   what + ", column " + std::to_string(k));
  }
  ASSERT_EQ(q.sums[row], total) << what;
}

void expect_grouped_row(const QuantizedRows& q, int64_t row, std::span<const float> x) {
  const std::string what = "row " + std::to_string(row) + " of " + std::to_string(q.k);
  std::vector<float> rest(x.begin(), x.end());
  rest.resize(static_cast<size_t>(q.padded_k()));
  int32_t before = -1;
  for (const Outlier& outlier : q.outliers_of(row)) {
    ASSERT_GT(outlier.column, before) << what;
    before = outlier.column;
    ASSERT_EQ(outlier.value, std::exchange(rest[static_cast<size_t>(outlier.column)], 0.0f))
        << what;
  }
  // Those that stand out are the largest of all.
  for (const Outlier& outlier : q.outliers_of(row)) {
    for (const float v : rest) ASSERT_LT(std::abs(v), std::abs(outlier.value)) << what;
  }
  for (int64_t g = 0; g < q.groups(); ++g) {
    const std::span group = std::span(rest).subspan(static_cast<size_t>(g * 32), 32);
    float peak = 0;
    for (const float v : group) peak = std::max(peak, std::abs(v));
    const float scale = q.group_scales[row * q.groups() + g];
    // Below 2^-120 or so no scale serves: all is taken for 0.
    ASSERT_NEAR(scale, peak / 127, peak * kUlp + 1e-38) << what << ", group " << g;
    int32_t sum = 0;
    for (int64_t i = 0; i < 32; ++i) {
      const int8_t code = q.values[row * q.padded_k() + g * 32 + i];
      sum += code;
      expect_nearest(code, scale, group[static_cast<size_t>(i)], scale == 0 ? 1e-36 : 0,
                     what + ", group " + std::to_string(g));
    }
    ASSERT_EQ(q.group_sums[row * q.groups() + g], sum) << what << ", group " << g;
  }
}

TEST(RandomQuantization, RowsAgree) {
  for_random_cases(300, [&](Draw& draw) {
    ThreadPool pool(static_cast<int>(draw.between(1, 3)));
    const int64_t n = draw.rows(40);
    const int64_t k = draw.one_in(20) ? draw.between(1000, 3000) : draw.columns(600);
    const GuardedRows x(n, k, k + draw.between(0, 40));
    for (int64_t i = 0; i < n; ++i) draw.fill(x.row(i), 1e20f);
    const GuardedRows scales(1, k, k);
    for (float& s : scales.row(0)) s = std::exp2(static_cast<float>(draw.between(-3, 3)));
    How how{.rounding = draw.of({Rounding::kTurned, Rounding::kGroups})};
    if (how.rounding == Rounding::kTurned) {
      how.tiled = draw.one_in(3);
      how.column_scales = scales.data();
    }
    const Quantized first = quantized({.pool = pool}, x, how);
    for (const Isa isa : isas_here()) {
      quantized({.pool = pool, .isa = isa}, x, how)
          .expect_same(first, std::to_string(n) + " rows of " + std::to_string(k) + " on " +
                                  std::string(isa_name(isa)));
    }
    for (int64_t i = 0; i < n; ++i) {
      if (how.rounding == Rounding::kGroups) {
        expect_grouped_row(first.rows, i, x.row(i));
      } else {
        expect_turned_row(first.rows, i, x.row(i), scales.row(0));
      }
    }
  });
}

TEST(RandomQuantization, ANormQuantizesWhatItWouldGive) {
  ThreadPool pool(2);
  for_random_cases(100, [&](Draw& draw) {
    const int64_t n = draw.rows(40);
    const int64_t k = draw.columns(600);
    const How how{.rounding = draw.of({Rounding::kTurned, Rounding::kGroups})};
    const GuardedRows x(n, k, k + draw.between(0, 40));
    for (int64_t i = 0; i < n; ++i) draw.fill(x.row(i), 1e10f);
    const GuardedRows weight(1, k, k);
    draw.fill(weight.row(0), 10.0f);
    const GuardedRows y(n, k, k + draw.between(0, 40));
    for (const Isa isa : isas_here()) {
      const Context context{.pool = pool, .isa = isa};
      RmsNormArgs args{.rows = n,
                       .n = k,
                       .x = x.data(),
                       .x_stride = x.stride(),
                       .weight = weight.data(),
                       .eps = 1e-5f,
                       .y = y.data(),
                       .y_stride = y.stride()};
      rms_norm(context, args);
      const Quantized after = quantized(context, y, how);
      Quantized passing(n, k);
      passing.rows.rounding = how.rounding;
      args.quantized = &passing.rows;
      rms_norm(context, args);
      passing.expect_same(after, std::string(isa_name(isa)));
      y.expect_untouched_outside("room of the norm");
    }
  });
}

TEST(RandomQuantization, AFaultShowsWhereItIs) {
  ThreadPool pool(1);
  for_random_cases(100, [&](Draw& draw) {
    const int64_t n = draw.between(1, 9);
    const int64_t k = draw.columns(300);
    const How how{.rounding = draw.of({Rounding::kTurned, Rounding::kGroups})};
    const GuardedRows x(n, k, k + draw.between(0, 40));
    for (int64_t i = 0; i < n; ++i) draw.fill(x.row(i), 1e10f);
    const int64_t row = draw.between(0, n - 1);
    const int64_t column = draw.between(0, k - 1);
    x.row(row)[static_cast<size_t>(column)] = draw.of({NAN, INFINITY, -INFINITY});
    for (const Isa isa : isas_here()) {
      const Quantized found = quantized({.pool = pool, .isa = isa}, x, how);
      const QuantizedRows& q = found.rows;
      const bool turned_rows = how.rounding == Rounding::kTurned;
      const int64_t n_scales = turned_rows ? n : n * q.groups();
      const int64_t spoiled = turned_rows ? row : row * q.groups() + column / 32;
      const float* scales = turned_rows ? q.scales : q.group_scales;
      for (int64_t i = 0; i < n_scales; ++i) {
        ASSERT_EQ(std::isnan(scales[i]), i == spoiled) << i << " on " << isa_name(isa);
      }
    }
  });
}

}  // namespace
}  // namespace autoglm
