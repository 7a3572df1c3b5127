// linear() against sums in double, and every variant against the generic one, bit for bit.
#include "kernels/linear/linear.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/simd/half.h"
#include "kernels/testing/values.h"
#include "kernels/testing/variants.h"
#include "tensor/rotation.h"

namespace autoglm {
namespace {

const std::vector<WeightFormat> kFormats = formats_of_floats();
constexpr float kGuard = -12345.0f;

struct Case {
  WeightFormat format = WeightFormat::kF32;
  int64_t m = 1;
  int64_t n = 1;
  int64_t k = 1;
  bool swiglu = false;
  bool bias = false;
  bool residual = false;

  std::string text() const {
    return std::string(weight_format_name(format)) + " m " + std::to_string(m) + " n " +
           std::to_string(n) + " k " + std::to_string(k) + (swiglu ? " swiglu" : "") +
           (bias ? " bias" : "") + (residual ? " residual" : "");
  }
};

struct Problem {
  Case c;
  PackedWeight weight;
  std::vector<float> w, x, bias, residual;
  int64_t x_stride, y_stride;

  explicit Problem(const Case& wanted) : c(wanted), x_stride(c.k + 3), y_stride(0) {
    w = random_values(c.n * c.k, 1, 0.05f);
    x = random_values(c.m * x_stride, 2);
    bias = random_values(c.n, 3);
    const PackOrder order = c.swiglu ? PackOrder::kGateUp : PackOrder::kPlain;
    Result<PackedWeight> packed = PackedWeight::allocate(c.format, c.n, c.k, order);
    EXPECT_TRUE(packed.has_value());
    weight = std::move(*packed);
    weight.pack_panels(0, weight.n_panels(), row_by_row([&](int64_t row, std::span<float> out) {
                         std::copy_n(w.begin() + row * c.k, c.k, out.begin());
                       }));
    y_stride = weight.n_out() + 5;
    residual = random_values(c.m * y_stride, 4);
  }

  // Rows [first, first + m) of the problem; guards around every row stay as they were.
  std::vector<float> run(Isa isa, int threads, int64_t first, int64_t m) const {
    ThreadPool pool(threads);
    return run(isa, pool, first, m);
  }
  std::vector<float> run(Isa isa, ThreadPool& pool, int64_t first, int64_t m) const {
    const Context context{.pool = pool, .isa = isa};
    std::vector<float> y(static_cast<size_t>(m * y_stride + 1), kGuard);
    const int64_t bytes = linear_scratch_bytes(context, weight, m);
    Result<AlignedBuffer> scratch = AlignedBuffer::allocate(static_cast<size_t>(bytes + 64));
    std::memset(scratch->data(), 0x5a, static_cast<size_t>(bytes + 64));
    linear(context,
           {.weight = &weight,
            .m = m,
            .x = x.data() + first * x_stride,
            .x_stride = x_stride,
            .bias = c.bias ? bias.data() : nullptr,
            .residual = c.residual ? residual.data() + first * y_stride : nullptr,
            .residual_stride = y_stride,
            .y = y.data() + 1,
            .y_stride = y_stride,
            .epilogue = c.swiglu ? Epilogue::kSwiglu : Epilogue::kNone},
           {scratch->data(), static_cast<size_t>(bytes)});
    for (int64_t i = 0; i < 64; ++i) {
      EXPECT_EQ(scratch->data()[bytes + i], std::byte{0x5a}) << c.text();
    }
    EXPECT_EQ(y[0], kGuard);
    std::vector<float> rows;
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = weight.n_out(); j < y_stride; ++j) {
        EXPECT_EQ(y[static_cast<size_t>(1 + i * y_stride + j)], kGuard) << c.text() << " row " << i;
      }
      rows.insert(rows.end(), y.begin() + 1 + i * y_stride,
                  y.begin() + 1 + i * y_stride + weight.n_out());
    }
    return rows;
  }
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const WeightFormat format : kFormats) {
    for (const int64_t m : {1, 2, 3, 4, 5, 6, 7, 8, 9, 64, 65}) {
      all.push_back({.format = format, .m = m, .n = 83, .k = 131, .bias = true, .residual = true});
    }
    for (const int64_t n : {1, 15, 16, 17, 64, 100}) {
      all.push_back({.format = format, .m = 5, .n = n, .k = 64});
    }
    for (const int64_t k : {1, 2, 31, 32, 33, 63, 65, 96, 200, 257, 450}) {
      all.push_back({.format = format, .m = 3, .n = 40, .k = k, .bias = true});
    }
    for (const int64_t n : {2, 30, 32, 34, 70}) {
      for (const int64_t m : {1, 4}) {
        all.push_back({.format = format,
                       .m = m,
                       .n = n,
                       .k = 96,
                       .swiglu = true,
                       .bias = true,
                       .residual = m == 4});
      }
    }
  }
  return all;
}

TEST(Linear, EveryVariantGivesTheGenericVariantsBits) {
  for (const Case& c : cases()) {
    const Problem problem(c);
    const std::vector<float> expected = problem.run(Isa::kGeneric, 1, 0, c.m);
    for (const Isa isa : isas_here()) {
      if (!has_common_bits(isa, c.format)) continue;
      expect_same_bits(problem.run(isa, 1, 0, c.m), expected,
                       c.text() + " " + std::string(isa_name(isa)));
    }
  }
}

// linear.h: bf16 weights on AMX.
float sum_of_pairs(std::span<const float> x, std::span<const float> w) {
  float sum = 0;
  for (size_t begin = 0; begin < x.size(); begin += 32) {
    for (const bool low : {false, true}) {
      float parts[2] = {0, 0};
      for (size_t k = begin; k < std::min(begin + 32, x.size()); ++k) {
        const float high = bf16_to_f32(f32_to_bf16(x[k]));
        const float part = low ? bf16_to_f32(f32_to_bf16(x[k] - high)) : high;
        parts[k % 2] = std::fma(part, w[k], parts[k % 2]);
      }
      sum = sum + (parts[0] + parts[1]);
    }
  }
  return sum;
}

TEST(Linear, SumsBf16OnAmxAsStated) {
  if (best_isa() < Isa::kAmx) GTEST_SKIP() << "this machine has no AMX";
  for (const Case& c : cases()) {
    if (c.format != WeightFormat::kBF16 || c.swiglu) continue;
    const Problem problem(c);
    const std::vector<float> y = problem.run(Isa::kAmx, 1, 0, c.m);
    std::vector<float> row(static_cast<size_t>(c.k));
    for (int64_t j = 0; j < c.n; ++j) {
      problem.weight.decode_row(j, row);
      for (int64_t i = 0; i < c.m; ++i) {
        float expected = sum_of_pairs({problem.x.data() + i * problem.x_stride, row.size()}, row);
        if (c.bias) expected += problem.bias[static_cast<size_t>(j)];
        if (c.residual) expected += problem.residual[static_cast<size_t>(i * problem.y_stride + j)];
        ASSERT_EQ(y[static_cast<size_t>(i * c.n + j)], expected)
            << c.text() << " at " << i << ", " << j;
      }
    }
  }
}

TEST(Linear, AgreesWithASumInDouble) {
  for (const Case& c : cases()) {
    const Problem problem(c);
    const std::vector<float> y = problem.run(best_isa(), 2, 0, c.m);
    std::vector<float> row(static_cast<size_t>(c.k));
    const int64_t n_out = problem.weight.n_out();
    for (int64_t i = 0; i < c.m; ++i) {
      const float* x = problem.x.data() + i * problem.x_stride;
      // Integer products round the turned row, and meet turned weights.
      const Rotation rotation = Rotation::of(c.k);
      std::vector<float> turned(x, x + c.k);
      rotate(rotation, turned);
      double peak = 0;
      for (const float value : turned) peak = std::max(peak, std::abs(double{value}));
      const auto product = [&](int64_t j, double* bound) {
        problem.weight.decode_row(j, row);
        double sum = 0;
        double weights = 0;
        double terms = 0;
        for (int64_t k = 0; k < c.k; ++k) {
          const double w = row[static_cast<size_t>(k)];
          sum += w * x[k];
          terms += std::abs(w * x[k]);
        }
        std::vector<float> turned_row = row;
        rotate(rotation, turned_row);
        for (const float w : turned_row) {
          weights += std::abs(double{w}) / static_cast<double>(rotation.block);
        }
        // Rounding of k additions, and of activations to one part in 254 of their peak.
        *bound = static_cast<double>(c.k + 4) * 6e-8 * terms + 1e-6;
        // Of activations to 16 bits.
        if (!has_common_bits(best_isa(), c.format)) *bound += terms / 65536;
        if (is_integer(c.format)) *bound += weights * peak / 254 * 1.001 + weights * peak * 1e-5;
        return sum + (c.bias ? double{problem.bias[static_cast<size_t>(j)]} : 0.0);
      };
      for (int64_t j = 0; j < n_out; ++j) {
        double bound = 0;
        double value = product(j, &bound);
        if (c.swiglu) {
          double up_bound = 0;
          const double up = product(j + n_out, &up_bound);
          const double gate = value / (1 + std::exp(-value));
          // The slope of silu is at most 1.1.
          bound =
              1.1 * bound * (std::abs(up) + up_bound) + up_bound * (std::abs(gate) + 1e-6) + 1e-5;
          value = gate * up;
        }
        if (c.residual) {
          value += double{problem.residual[static_cast<size_t>(i * problem.y_stride + j)]};
        }
        bound += std::abs(value) * 2.4e-7;
        ASSERT_NEAR(y[static_cast<size_t>(i * n_out + j)], value, bound)
            << c.text() << " at " << i << ", " << j;
      }
    }
  }
}

TEST(Linear, ARowDoesNotDependOnItsBatch) {
  for (const WeightFormat format : kFormats) {
    for (const Isa isa : isas_here()) {
      const Problem problem({.format = format, .m = 65, .n = 83, .k = 131, .bias = true});
      const std::vector<float> all = problem.run(isa, 1, 0, 65);
      for (const int64_t row : {0, 1, 7, 33, 64}) {
        const std::vector<float> alone = problem.run(isa, 1, row, 1);
        expect_same_bits(alone, {all.begin() + row * 83, all.begin() + (row + 1) * 83},
                         std::string(isa_name(isa)) + " " + problem.c.text());
      }
      const std::vector<float> seven = problem.run(isa, 1, 20, 7);
      expect_same_bits(seven, {all.begin() + 20 * 83, all.begin() + 27 * 83}, "seven rows");
    }
  }
}

TEST(Linear, ThreadsDoNotChangeABit) {
  for (const WeightFormat format : kFormats) {
    const Problem problem({.format = format, .m = 9, .n = 300, .k = 131, .residual = true});
    const std::vector<float> one = problem.run(best_isa(), 1, 0, 9);
    for (const int threads : {2, 3}) {
      expect_same_bits(problem.run(best_isa(), threads, 0, 9), one, problem.c.text());
    }
  }
}

TEST(Linear, NodesOfMemoryDoNotChangeABit) {
  ThreadPool pool(0, {{0}, {0, 1}, {1}});
  for (const int64_t m : {1, 9, 300}) {
    const Problem problem({.format = WeightFormat::kInt4, .m = m, .n = 700, .k = 131});
    expect_same_bits(problem.run(best_isa(), pool, 0, m), problem.run(best_isa(), 1, 0, m),
                     problem.c.text());
  }
}

TEST(Linear, RowBlocksDoNotChangeABit) {
  // 4000 columns in int16: 24 rows fill a block, so 60 rows are three.
  // AMX: 256 rows in int8, 64 in bf16.
  for (const WeightFormat format : kFormats) {
    for (const int64_t m : {60, 300}) {
      const Problem problem({.format = format, .m = m, .n = 33, .k = 4000});
      const std::vector<float> all = problem.run(best_isa(), 2, 0, m);
      const std::vector<float> last = problem.run(best_isa(), 1, m - 1, 1);
      expect_same_bits(last, {all.begin() + (m - 1) * 33, all.end()}, problem.c.text());
    }
  }
}

TEST(Linear, TheGreatestIntegersDoNotOverflow) {
  constexpr int64_t k = 16384;
  for (const WeightFormat format : kFormats) {
    if (!is_integer(format)) continue;
    for (const float sign : {1.0f, -1.0f}) {
      // Rows that are all alike once they are turned.
      const Rotation rotation = Rotation::of(k);
      Result<PackedWeight> weight = PackedWeight::allocate(format, 16, k);
      weight->pack_panels(0, 1, row_by_row([&](int64_t, std::span<float> out) {
                            std::fill(out.begin(), out.end(), sign * 127.0f);
                            rotate_back(rotation, out);
                          }));
      std::vector<float> x(k, 127.0f / static_cast<float>(rotation.block));
      rotate_back(rotation, x);
      for (const Isa isa : isas_here()) {
        ThreadPool pool(1);
        const Context context{.pool = pool, .isa = isa};
        std::vector<float> y(16);
        const auto bytes = static_cast<size_t>(linear_scratch_bytes(context, *weight, 1));
        Result<AlignedBuffer> scratch = AlignedBuffer::allocate(bytes);
        linear(context,
               {.weight = &*weight,
                .m = 1,
                .x = x.data(),
                .x_stride = k,
                .y = y.data(),
                .y_stride = 16},
               {scratch->data(), bytes});
        for (const float v : y) {
          EXPECT_NEAR(v / (sign * 127.0f * 127.0f * k), 1, 1e-5) << isa_name(isa);
        }
      }
    }
  }
}

void quantize(const Context& context, std::span<const float> x, int64_t x_stride,
              const QuantizedRows& rows) {
  const auto bytes = static_cast<size_t>(quantize_scratch_bytes(context, rows.k));
  Result<AlignedBuffer> scratch = AlignedBuffer::allocate(bytes);
  quantize_rows(context, x.data(), x_stride, rows, {scratch->data(), bytes});
}

TEST(Linear, TakesRowsAlreadyQuantized) {
  const Problem problem({.format = WeightFormat::kInt8, .m = 4, .n = 40, .k = 100});
  ThreadPool pool(2);
  const Context context{.pool = pool, .isa = best_isa()};
  Result<AlignedBuffer> memory =
      AlignedBuffer::allocate(static_cast<size_t>(QuantizedRows::bytes(4, 100)));
  QuantizedRows rows = QuantizedRows::at(memory->data(), 4, 100);
  rows.column_scales = problem.weight.column_scales();
  quantize(context, problem.x, problem.x_stride, rows);
  const auto bytes = static_cast<size_t>(linear_scratch_bytes(context, problem.weight, 4));
  Result<AlignedBuffer> scratch = AlignedBuffer::allocate(bytes);
  std::vector<float> y(4 * 40);
  linear(context,
         {.weight = &problem.weight, .m = 4, .quantized = &rows, .y = y.data(), .y_stride = 40},
         {scratch->data(), bytes});
  expect_same_bits(y, problem.run(Isa::kGeneric, 1, 0, 4), "quantized before");
}

TEST(QuantizedRows, KeepsEveryValueWithinHalfAStep) {
  const std::vector<float> x = random_values(3 * 77, 9);
  ThreadPool pool(1);
  for (const Isa isa : isas_here()) {
    Result<AlignedBuffer> memory =
        AlignedBuffer::allocate(static_cast<size_t>(QuantizedRows::bytes(3, 77)));
    const QuantizedRows q = QuantizedRows::at(memory->data(), 3, 77);
    quantize({.pool = pool, .isa = isa}, x, 77, q);
    for (int64_t row = 0; row < 3; ++row) {
      std::vector<float> turned(x.begin() + row * 77, x.begin() + (row + 1) * 77);
      rotate(Rotation::of(77), turned);
      int32_t total = 0;
      for (int64_t k = 0; k < q.padded_k(); ++k) {
        const int8_t value = q.values[row * q.padded_k() + k];
        total += value;
        EXPECT_GE(value, -127);
        const float expected = k < 77 ? turned[static_cast<size_t>(k)] : 0.0f;
        EXPECT_NEAR(value * q.scales[row], expected, 0.5001f * q.scales[row]);
      }
      EXPECT_EQ(q.sums[row], total);
      EXPECT_EQ(q.group_sums[row * 4] + q.group_sums[row * 4 + 1] + q.group_sums[row * 4 + 2] +
                    q.group_sums[row * 4 + 3],
                total);
    }
  }
}

// The row that rounding by groups stands for.
std::vector<float> restored(const QuantizedRows& q) {
  std::vector<float> x;
  for (int64_t i = 0; i < q.k; ++i) {
    x.push_back(static_cast<float>(q.values[i]) * q.group_scales[i / 32]);
  }
  for (const Outlier& outlier : q.outliers_of(0)) {
    EXPECT_EQ(q.values[outlier.column], 0);
    x[static_cast<size_t>(outlier.column)] = outlier.value;
  }
  return x;
}

TEST(QuantizedRows, ACopyIsWhatRoundingMakesInTilesToo) {
  constexpr int64_t kRows = 19, k = 150;
  const std::vector<float> x = random_values(kRows * k, 31);
  ThreadPool pool(1);
  const Context context{.pool = pool, .isa = best_isa()};
  const auto bytes = static_cast<size_t>(QuantizedRows::bytes(kRows, k));
  const auto scratch = AlignedBuffer::allocate(
      static_cast<size_t>(std::max<int64_t>(64, quantize_scratch_bytes(context, k))));
  for (const Rounding rounding : {Rounding::kTurned, Rounding::kGroups}) {
    for (const bool tiled : {false, true}) {
      if (tiled && rounding == Rounding::kGroups) continue;  // no product reads such
      const auto rounded = [&](const AlignedBuffer& memory, bool in_tiles) {
        QuantizedRows q = QuantizedRows::at(const_cast<std::byte*>(memory.data()), kRows, k);
        q.rounding = rounding;
        q.tiled = in_tiles;
        return q;
      };
      const auto from = AlignedBuffer::allocate(bytes);
      const auto expected = AlignedBuffer::allocate(bytes);
      const auto found = AlignedBuffer::allocate(bytes);
      const QuantizedRows plain = rounded(*from, false);
      const std::span<std::byte> room{const_cast<std::byte*>(scratch->data()), scratch->size()};
      quantize_rows(context, x.data(), k, plain, room);
      quantize_rows(context, x.data(), k, rounded(*expected, tiled), room);
      for (int64_t row = 0; row < kRows; ++row) {
        // From where it lies, and as a view of that row alone.
        if (row % 2 == 0) {
          copy_row(plain, row, rounded(*found, tiled), row);
        } else {
          copy_row(plain.one_row(row), 0, rounded(*found, tiled), row);
        }
      }
      EXPECT_EQ(std::memcmp(found->data(), expected->data(), bytes), 0)
          << (tiled ? "in tiles" : "plain");
    }
  }
}

TEST(QuantizedRows, KeepsNumbersThatStandOutApart) {
  constexpr int64_t k = 312;
  std::vector<float> x = random_values(k, 9);
  for (size_t i = 256; i < 288; ++i) x[i] = 0;
  const float largest = std::fabs(*std::max_element(
      x.begin(), x.end(), [](float a, float b) { return std::fabs(a) < std::fabs(b); }));
  x[70] = 500;
  x[71] = -800;
  x[311] = 90;
  ThreadPool pool(1);
  std::vector<std::vector<std::byte>> seen;
  for (const Isa isa : isas_here()) {
    const auto bytes = static_cast<size_t>(QuantizedRows::bytes(1, k));
    Result<AlignedBuffer> memory = AlignedBuffer::allocate(bytes);
    QuantizedRows q = QuantizedRows::at(memory->data(), 1, k);
    q.rounding = Rounding::kGroups;
    quantize({.pool = pool, .isa = isa}, x, k, q);
    std::vector<int32_t> columns;
    for (const Outlier& outlier : q.outliers_of(0)) columns.push_back(outlier.column);
    EXPECT_EQ(columns, (std::vector<int32_t>{70, 71, 311}));
    const std::vector<float> held = restored(q);
    for (size_t i = 0; i < x.size(); ++i) {
      EXPECT_NEAR(held[i], x[i], 0.501f * largest / 127) << i;
    }
    for (int64_t g = 0; g < q.groups(); ++g) {
      EXPECT_EQ(q.group_sums[g], std::accumulate(q.values + g * 32, q.values + g * 32 + 32, 0));
    }
    seen.emplace_back(memory->data(), memory->data() + bytes);
    EXPECT_EQ(seen.back(), seen.front()) << isa_name(isa);
  }
}

// A third of the row stands out: the largest are kept apart, as many as there is room for.
TEST(QuantizedRows, KeepsNoMoreApartThanThereIsRoomFor) {
  constexpr int64_t k = 960;
  std::vector<float> x = random_values(k, 9);
  for (size_t i = 640; i < 960; ++i) x[i] = 100 * (1 + static_cast<float>(i % 32)) * x[i];
  ThreadPool pool(1);
  for (const Isa isa : isas_here()) {
    Result<AlignedBuffer> memory =
        AlignedBuffer::allocate(static_cast<size_t>(QuantizedRows::bytes(1, k)));
    QuantizedRows q = QuantizedRows::at(memory->data(), 1, k);
    q.rounding = Rounding::kGroups;
    quantize({.pool = pool, .isa = isa}, x, k, q);
    EXPECT_GT(q.n_outliers[0], 0);
    EXPECT_LE(q.n_outliers[0], q.max_outliers());
    const std::vector<float> held = restored(q);
    for (size_t i = 0; i < x.size(); ++i) {
      EXPECT_NEAR(held[i], x[i], 0.501f * q.group_scales[i / 32]) << i;
    }
  }
}

TEST(QuantizedRows, ShowsAFaultInTheScale) {
  ThreadPool pool(1);
  for (const Isa isa : isas_here()) {
    for (const float fault : {NAN, INFINITY, -INFINITY}) {
      std::vector<float> x(40, 1.0f);
      x[17] = fault;
      Result<AlignedBuffer> memory =
          AlignedBuffer::allocate(static_cast<size_t>(QuantizedRows::bytes(1, 40)));
      const QuantizedRows q = QuantizedRows::at(memory->data(), 1, 40);
      quantize({.pool = pool, .isa = isa}, x, 40, q);
      EXPECT_TRUE(std::isnan(q.scales[0]));
      EXPECT_EQ(q.sums[0], 0);
      QuantizedRows groups = q;
      groups.rounding = Rounding::kGroups;
      quantize({.pool = pool, .isa = isa}, x, 40, groups);
      EXPECT_TRUE(std::isnan(groups.group_scales[0]));
      EXPECT_FALSE(std::isnan(groups.group_scales[1]));
      EXPECT_EQ(groups.group_sums[0], 0);
    }
  }
}

}  // namespace
}  // namespace autoglm
