// GPTQ against the paper's formulas in double precision, written out: an inverse, a Cholesky factor
// of it, and one column after another without blocks.
#include "train/quantize/gptq.h"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>
#include <random>

#include "base/json.h"
#include "base/thread_pool.h"
#include "support/shared_data.h"

namespace autoglm {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Rows whose columns depend on one another, as activations do.
std::vector<float> correlated(int64_t rows, int64_t columns, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<size_t>(rows * columns));
  for (int64_t r = 0; r < rows; ++r) {
    float carried = 0;
    for (int64_t c = 0; c < columns; ++c) {
      carried = 0.8f * carried + normal(random);
      x[static_cast<size_t>(r * columns + c)] = carried * (c % 7 == 0 ? 3.0f : 1.0f);
    }
  }
  return x;
}

Matrix as_matrix(const std::vector<float>& x, int64_t columns) {
  using Floats = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  return Eigen::Map<const Floats>(x.data(), static_cast<int64_t>(x.size()) / columns, columns)
      .cast<double>();
}

GptqFactor factor_of(std::vector<float>& x, int64_t columns, std::vector<float>* moments) {
  ThreadPool pool(2);
  const Context context{.pool = pool, .isa = best_isa()};
  const RowsView view{.data = x.data(),
                      .rows = static_cast<int64_t>(x.size()) / columns,
                      .columns = columns,
                      .stride = columns};
  *moments = second_moments(context, view).value();
  return factorize(*moments, columns).value();
}

TEST(Gptq, FactorsTheInverseOfTheSecondMoments) {
  constexpr int64_t kColumns = 96;
  std::vector<float> x = correlated(3000, kColumns, 1);
  std::vector<float> moments;
  const GptqFactor factor = factor_of(x, kColumns, &moments);
  const Matrix xs = as_matrix(x, kColumns);
  Matrix h = xs.transpose() * xs / 3000.0;
  EXPECT_LT((as_matrix(moments, kColumns) - h).norm() / h.norm(), 1e-5);
  h.diagonal().array() += factor.damping * h.diagonal().mean();
  const Matrix upper = as_matrix(factor.upper, kColumns);
  const Matrix expected = h.inverse().llt().matrixU();
  EXPECT_LT((upper - expected).norm() / expected.norm(), 1e-3);
}

TEST(Gptq, RoundsAsThePaperSaysAndLosesLessThanRounding) {
  constexpr int64_t kColumns = 300;  // more than two blocks, not whole groups
  constexpr int64_t kRows = 20;
  std::vector<float> x = correlated(2000, kColumns, 2);
  std::vector<float> moments;
  const GptqFactor factor = factor_of(x, kColumns, &moments);
  const Matrix upper = as_matrix(factor.upper, kColumns);
  const Matrix xs = as_matrix(x, kColumns);
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 0.05f);
  for (const Precision precision : {Precision{4, 32},
                                    Precision{4, 64},
                                    Precision{4, 128},
                                    Precision{3, 32},
                                    Precision{2, 64},
                                    {}}) {
    double compensated = 0;
    double plain = 0;
    int64_t different = 0;
    for (int64_t r = 0; r < kRows; ++r) {
      std::vector<float> row(kColumns);
      for (float& w : row) w = normal(random);
      const RowCodes rounded = choose_codes(row, {}, precision);
      RowCodes codes = rounded;
      const GptqRow job{.weights = row, .codes = &codes};
      round_rows(factor, precision, {&job, 1});

      // The plain loop. Groups are those that round_rows chose: their choice is not GPTQ's matter.
      Eigen::VectorXd w = as_matrix(row, kColumns).transpose();
      for (int64_t j = 0; j < kColumns; ++j) {
        const double d = codes.channel_scale;
        double decoded = 0;
        if (precision.bits == 8) {
          const double code = std::clamp(std::nearbyint(w[j] / d), -127.0, 127.0);
          different += code != codes.values[static_cast<size_t>(j)] ? 1 : 0;
          decoded = code * d;
        } else {
          const ProgressiveGroup& group = codes.groups[static_cast<size_t>(j / 32)];
          const double code = std::clamp(std::nearbyint((w[j] / d - group.offset) / group.scale),
                                         0.0, static_cast<double>(precision.form().largest_code()));
          different += code != group.codes[j % 32] ? 1 : 0;
          decoded = (group.scale * code + group.offset) * d;
        }
        const double error = (w[j] - decoded) / upper(j, j);
        for (int64_t i = j + 1; i < kColumns; ++i) w[i] -= error * upper(j, i);
      }
      const auto output_error = [&](const RowCodes& of) {
        std::vector<float> decoded(kColumns);
        of.decode(decoded);
        const Matrix rest = as_matrix(row, kColumns) - as_matrix(decoded, kColumns);
        return (xs * rest.transpose()).squaredNorm();
      };
      compensated += output_error(codes);
      plain += output_error(rounded);
    }
    // Single and double precision part ways where a weight lies between two codes.
    EXPECT_LT(different, kRows * kColumns / 50) << precision.cost();
    EXPECT_LT(compensated, 0.6 * plain) << precision.cost();
  }
}

// Written by tests/reference/gptq/make_golden.py.
TEST(Gptq, ChoosesTheCodesOfTheNumpyReference) {
  const auto document = json::parse_file(source_path("tests/data/gptq_reference.json"));
  ASSERT_TRUE(document) << document.error().message();
  const auto numbers = [&](std::string_view key) {
    std::vector<float> out;
    for (const json::value& number : document->at(key).as_array()) {
      out.push_back(number.to_number<float>());
    }
    return out;
  };
  const int64_t columns = document->at("columns").as_int64();
  std::vector<float> x = numbers("inputs");
  const std::vector<float> weights = numbers("weights");
  const std::vector<float> scales = numbers("scales");
  const std::vector<float> expected = numbers("codes");
  std::vector<float> moments;
  const GptqFactor factor = factor_of(x, columns, &moments);
  int64_t different = 0;
  for (size_t r = 0; r < scales.size(); ++r) {
    const auto begin = r * static_cast<size_t>(columns);
    RowCodes codes{.channel_scale = scales[r]};
    codes.values.resize(static_cast<size_t>(columns));
    const GptqRow row{.weights = std::span(weights).subspan(begin, codes.values.size()),
                      .codes = &codes};
    round_rows(factor, {}, {&row, 1});
    for (size_t c = 0; c < codes.values.size(); ++c) {
      different += static_cast<float>(codes.values[c]) != expected[begin + c] ? 1 : 0;
    }
  }
  EXPECT_EQ(different, 0);
}

TEST(Gptq, TakesColumnsThatNoInputMeets) {
  constexpr int64_t kColumns = 64;
  std::vector<float> x = correlated(200, kColumns, 4);
  for (size_t i = 5; i < x.size(); i += kColumns) x[i] = 0;
  std::vector<float> moments;
  const GptqFactor factor = factor_of(x, kColumns, &moments);
  for (const float u : factor.upper) EXPECT_TRUE(std::isfinite(u));
  moments[0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(factorize(moments, kColumns));
}

}  // namespace
}  // namespace autoglm
