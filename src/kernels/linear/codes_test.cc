// Products with weights held as a file's codes: every variant against the generic one, bit for bit,
// that one against sums in double, and what a row must not depend on.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>

#include "base/thread_pool.h"
#include "kernels/linear/code_testing.h"
#include "kernels/linear/linear.h"
#include "kernels/testing/values.h"
#include "kernels/testing/variants.h"

namespace autoglm {
namespace {

struct Shape {
  WeightFormat format;
  int64_t m, n, k;
  bool swiglu = false;

  std::string text() const {
    return std::string(weight_format_name(format)) + " m " + std::to_string(m) + " n " +
           std::to_string(n) + " k " + std::to_string(k) + (swiglu ? " swiglu" : "");
  }
};

std::vector<Shape> shapes() {
  std::vector<Shape> all;
  for (const WeightFormat format : formats_of_codes()) {
    const int64_t step = code_form(format).columns();
    for (const int64_t m : {1, 2, 3, 4, 5, 7, 8, 9, 33}) all.push_back({format, m, 50, 3 * step});
    for (const int64_t n : {1, 16, 17, 80}) all.push_back({format, 3, n, step});
    for (const int64_t k : {2, 4, 5}) all.push_back({format, 2, 20, k * step});
    all.push_back({format, 5, 70, step, true});
    all.push_back({format, 1, 32, 2 * step, true});
  }
  return all;
}

struct Problem {
  Shape shape;
  PackedWeight weight;
  std::vector<float> x, bias;

  explicit Problem(const Shape& s)
      : shape(s),
        weight(random_code_weight(s.format, s.n, s.k,
                                  s.swiglu ? PackOrder::kGateUp : PackOrder::kPlain)) {
    std::mt19937 random(5);
    std::normal_distribution<float> normal;
    x.resize(static_cast<size_t>(s.m * s.k));
    bias.resize(static_cast<size_t>(s.n));
    for (float& v : x) v = normal(random);
    // A number that is kept apart in every third row.
    for (size_t i = 7; i < x.size(); i += 3 * static_cast<size_t>(s.k)) x[i] = -150;
    for (float& v : bias) v = normal(random);
  }

  std::vector<float> run(Isa isa, int threads, int64_t first, int64_t m) const {
    ThreadPool pool(threads);
    const Context context{.pool = pool, .isa = isa};
    std::vector<float> y(static_cast<size_t>(m * weight.n_out()));
    const int64_t bytes = linear_scratch_bytes(context, weight, m);
    Result<AlignedBuffer> scratch = AlignedBuffer::allocate(static_cast<size_t>(bytes + 64));
    std::memset(scratch->data(), 0x5a, static_cast<size_t>(bytes + 64));
    linear(context,
           {.weight = &weight,
            .m = m,
            .x = x.data() + first * shape.k,
            .x_stride = shape.k,
            .bias = bias.data(),
            .y = y.data(),
            .y_stride = weight.n_out(),
            .epilogue = shape.swiglu ? Epilogue::kSwiglu : Epilogue::kNone},
           {scratch->data(), static_cast<size_t>(bytes)});
    for (int64_t i = 0; i < 64; ++i) {
      EXPECT_EQ(scratch->data()[bytes + i], std::byte{0x5a}) << shape.text();
    }
    return y;
  }
};

TEST(LinearCodes, EveryVariantGivesTheGenericVariantsBits) {
  for (const Shape& s : shapes()) {
    const Problem problem(s);
    const std::vector<float> expected = problem.run(Isa::kGeneric, 1, 0, s.m);
    for (const Isa isa : isas_here()) {
      expect_same_bits(problem.run(isa, 1, 0, s.m), expected,
                       s.text() + " " + std::string(isa_name(isa)));
    }
  }
}

TEST(LinearCodes, AgreeWithASumInDouble) {
  for (const Shape& s : shapes()) {
    if (s.swiglu) continue;
    const Problem problem(s);
    const std::vector<float> y = problem.run(best_isa(), 2, 0, s.m);
    std::vector<float> row(static_cast<size_t>(s.k));
    for (int64_t j = 0; j < s.n; ++j) {
      problem.weight.decode_row(j, row);
      for (int64_t i = 0; i < s.m; ++i) {
        const float* x = problem.x.data() + i * s.k;
        double peak = 0, sum = 0, weights = 0;
        for (int64_t k = 0; k < s.k; ++k) {
          const double w = row[static_cast<size_t>(k)];
          peak = std::max(peak, std::abs(double{x[k]}));
          sum += w * x[k];
          weights += std::abs(w);
        }
        // Activations are rounded to one part in 254 of their peak.
        const double bound = weights * peak * (1.001 / 254 + 1e-5) + 1e-4;
        ASSERT_NEAR(y[static_cast<size_t>(i * s.n + j)],
                    sum + double{problem.bias[static_cast<size_t>(j)]}, bound)
            << s.text() << " at " << i << ", " << j;
      }
    }
  }
}

TEST(LinearCodes, DecodeToScaleTimesCodeLessMinimum) {
  for (const WeightFormat format : formats_of_codes()) {
    const bool nested = code_form(format).nested;
    const PackedWeight weight = random_code_weight(format, 21, 512, PackOrder::kPlain);
    std::vector<float> out(512);
    CodeRow row;
    for (const int64_t i : {0, 15, 16, 20}) {
      weight.decode_row(i, out);
      random_codes(format, 512, i, row);
      for (size_t k = 0; k < out.size(); ++k) {
        float scale = row.scales[nested ? k / 256 : k / 32];
        float minimum = row.minima[nested ? k / 256 : k / 32];
        if (nested) {
          scale *= static_cast<float>(row.group_scales[k / 16]);
          minimum *= static_cast<float>(row.group_minima[k / 16]);
        }
        ASSERT_EQ(out[k], scale * static_cast<float>(row.codes[k]) - minimum)
            << weight_format_name(format) << " row " << i << " column " << k;
      }
    }
  }
}

TEST(LinearCodes, ARowDependsNeitherOnItsBatchNorOnThreads) {
  for (const WeightFormat format : formats_of_codes()) {
    const Problem problem({format, 33, 300, 512});
    const std::vector<float> all = problem.run(best_isa(), 1, 0, 33);
    for (const int64_t row : {0, 7, 32}) {
      for (const Isa isa : isas_here()) {
        expect_same_bits(problem.run(isa, 1, row, 1),
                         std::span(all).subspan(static_cast<size_t>(row) * 300, 300),
                         problem.shape.text());
      }
    }
    expect_same_bits(problem.run(best_isa(), 2, 0, 33), all, problem.shape.text());
    expect_same_bits(problem.run(best_isa(), 3, 20, 7), std::span(all).subspan(20 * 300, 7 * 300),
                     problem.shape.text());
  }
}

TEST(LinearCodes, TakeNoMoreRoomThanPromised) {
  for (const WeightFormat format : formats_of_codes()) {
    const auto bytes = static_cast<double>(PackedWeight::bytes(format, 1024, 4096));
    EXPECT_EQ(bytes * 8 / (1024 * 4096), held_bits(code_kind_of(format)))
        << weight_format_name(format);
  }
}

TEST(LinearCodes, KeepMixedKindsInTheNarrowestFormatThatHoldsBoth) {
  using enum CodeKind;
  EXPECT_EQ(codes_format(kSimple4, kSimple4), WeightFormat::kSimple4);
  EXPECT_EQ(codes_format(kSimple4, kSimple8), WeightFormat::kSimple8);
  EXPECT_EQ(codes_format(kSimple4Minimum, kSimple8), WeightFormat::kSimple8Minimum);
  EXPECT_EQ(codes_format(kNested4, kNested6), WeightFormat::kNestedAny);
  EXPECT_EQ(codes_format(kNested4, kNested4), WeightFormat::kNested4);
  EXPECT_EQ(codes_format(kNested4, kSimple8), std::nullopt);
  EXPECT_EQ(codes_format(kNone, kNone), std::nullopt);
  EXPECT_FALSE(PackedWeight::allocate(WeightFormat::kNested4, 16, 128).has_value());
  EXPECT_FALSE(PackedWeight::allocate(WeightFormat::kSimple4, 16, 48).has_value());
}

}  // namespace
}  // namespace autoglm
