// whole_attention(), pool_texts() and layer_norm() on random steps: the same bytes on every
// instruction set, with any number of threads and for a text alone, near a computation in double.
#include "kernels/whole_attention/whole_attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/norm/layer_norm.h"
#include "kernels/pooling/pooling.h"
#include "kernels/testing/random_cases.h"
#include "kernels/testing/values.h"

namespace autoglm {
namespace {

struct Step {
  std::vector<TextRows> texts;
  int64_t rows = 0;
};

// Lengths around vectors, blocks of queries and parts.
Step random_step(Draw& draw) {
  Step step;
  for (int64_t i = draw.between(1, 5); i > 0; --i) {
    const int64_t n = draw.of<int64_t>({1, 2, 5, 6, 7, 15, 16, 17, 47, 48, 49, 100, 239, 240, 241});
    step.texts.push_back({.first_row = step.rows, .n_rows = n});
    step.rows += n;
  }
  return step;
}

struct Case {
  explicit Case(Draw& draw)
      : step(random_step(draw)),
        heads(draw.between(1, 4)),
        dim(draw.of<int64_t>({7, 12, 16, 20, 32, 64, 80})),
        width(heads * dim),
        stride(3 * width + draw.between(0, 5)),
        qkv(static_cast<size_t>(step.rows * stride)) {
    for (float& x : qkv) x = draw.normal();
  }

  std::vector<float> run(Isa isa, int threads, std::span<const TextRows> texts) const {
    ThreadPool pool(threads);
    const Context context{.pool = pool, .isa = isa};
    std::vector<float> y(static_cast<size_t>(step.rows * width));
    auto scratch = AlignedBuffer::allocate(
        static_cast<size_t>(whole_attention_scratch_bytes(context, dim, step.rows)));
    whole_attention(context,
                    {.texts = texts,
                     .n_heads = heads,
                     .head_dim = dim,
                     .scale = 0.3f,
                     .q = qkv.data(),
                     .q_stride = stride,
                     .k = qkv.data() + width,
                     .k_stride = stride,
                     .v = qkv.data() + 2 * width,
                     .v_stride = stride,
                     .y = y.data(),
                     .y_stride = width},
                    {scratch->data(), scratch->size()});
    return y;
  }

  Step step;
  int64_t heads, dim, width, stride;
  std::vector<float> qkv;
};

// Of one query of one head, in double.
std::vector<double> expected(const Case& c, const TextRows& text, int64_t row, int64_t head) {
  const auto at = [&](int64_t r, int64_t part) {
    return c.qkv.data() + (text.first_row + r) * c.stride + part * c.width + head * c.dim;
  };
  std::vector<double> weights, out(static_cast<size_t>(c.dim));
  double greatest = -HUGE_VAL, sum = 0;
  for (int64_t j = 0; j < text.n_rows; ++j) {
    double score = 0;
    for (int64_t d = 0; d < c.dim; ++d) score += double{at(row, 0)[d]} * double{at(j, 1)[d]};
    weights.push_back(score * double{0.3f});
    greatest = std::max(greatest, weights.back());
  }
  for (double& w : weights) sum += w = std::exp(w - greatest);
  for (int64_t j = 0; j < text.n_rows; ++j) {
    for (int64_t d = 0; d < c.dim; ++d) {
      out[static_cast<size_t>(d)] += weights[static_cast<size_t>(j)] / sum * double{at(j, 2)[d]};
    }
  }
  return out;
}

TEST(WholeAttention, AgreesWithTheFormulaAndWithItself) {
  Draw draw(20264);
  for (int i = 0; i < 25; ++i) {
    const Case c(draw);
    const std::vector<float> y = c.run(Isa::kGeneric, 1, c.step.texts);
    for (const TextRows& text : c.step.texts) {
      const int64_t row = draw.between(0, text.n_rows - 1);
      const int64_t head = draw.between(0, c.heads - 1);
      const std::vector<double> right = expected(c, text, row, head);
      const float* found = y.data() + (text.first_row + row) * c.width + head * c.dim;
      for (int64_t d = 0; d < c.dim; ++d) {
        EXPECT_NEAR(found[d], right[static_cast<size_t>(d)], 2e-5) << "case " << i;
      }
    }
    for (const Isa isa : isas_here()) {
      for (const int threads : {1, 3}) {
        expect_same_bits(c.run(isa, threads, c.step.texts), y, std::string(isa_name(isa)));
      }
    }
    // The last text alone.
    const TextRows& last = c.step.texts.back();
    const std::vector<float> alone = c.run(isas_here().back(), 2, {&last, 1});
    const auto first = static_cast<size_t>(last.first_row * c.width);
    expect_same_bits(std::span(alone).subspan(first), std::span(y).subspan(first), "alone");
  }
}

TEST(LayerNorm, AgreesWithTheFormulaAndOnEveryInstructionSet) {
  Draw draw(20265);
  ThreadPool pool(2);
  for (int i = 0; i < 30; ++i) {
    const int64_t n = draw.columns(600);
    const int64_t rows = draw.rows(40);
    const std::vector<float> weight = random_values(n, 1), bias = random_values(n, 2);
    std::vector<float> x = random_values(rows * n, static_cast<uint32_t>(3 + i));
    for (float& v : x) v += 5;
    const auto run = [&](Isa isa) {
      std::vector<float> y(x.size());
      layer_norm({.pool = pool, .isa = isa}, {.rows = rows,
                                              .n = n,
                                              .x = x.data(),
                                              .x_stride = n,
                                              .weight = weight.data(),
                                              .bias = bias.data(),
                                              .eps = 1e-12f,
                                              .y = y.data(),
                                              .y_stride = n});
      return y;
    };
    const std::vector<float> y = run(Isa::kGeneric);
    for (const Isa isa : isas_here()) expect_same_bits(run(isa), y, std::string(isa_name(isa)));
    double mean = 0, variance = 0;
    for (int64_t c = 0; c < n; ++c)
      mean += double{x[static_cast<size_t>(c)]} / static_cast<double>(n);
    for (int64_t c = 0; c < n; ++c) {
      variance += std::pow(x[static_cast<size_t>(c)] - mean, 2) / static_cast<double>(n);
    }
    for (size_t c = 0; c < static_cast<size_t>(n) && n > 1; ++c) {
      const double right = (x[c] - mean) / std::sqrt(variance + 1e-12) * weight[c] + bias[c];
      // What f32 makes of the difference from a mean of 5.
      EXPECT_NEAR(y[c], right, 2e-6 / std::sqrt(variance) * 5 + 1e-5) << n << " columns";
    }
  }
}

TEST(Activations, AreNearTheFormulasAndTheSameEverywhere) {
  std::vector<float> x;
  for (float v = -12; v < 12; v += 0.00137f) x.push_back(v);
  ThreadPool pool(1);
  const auto run = [&](Isa isa, auto kernel) {
    std::vector<float> y(x.size());
    const auto n = static_cast<int64_t>(x.size());
    kernel(
        Context{.pool = pool, .isa = isa},
        UnaryArgs{.rows = 1, .n = n, .x = x.data(), .x_stride = n, .y = y.data(), .y_stride = n});
    return y;
  };
  const std::vector<float> g = run(Isa::kGeneric, gelu);
  const std::vector<float> t = run(Isa::kGeneric, ::autoglm::tanh);
  for (size_t i = 0; i < x.size(); ++i) {
    const double v = x[i];
    EXPECT_NEAR(g[i], v / 2 * (1 + std::erf(v / std::sqrt(2.0))), 2e-7 * (1 + std::abs(v))) << v;
    EXPECT_NEAR(t[i], std::tanh(v), 2e-7) << v;
  }
  for (const Isa isa : isas_here()) {
    expect_same_bits(run(isa, gelu), g, std::string(isa_name(isa)));
    expect_same_bits(run(isa, ::autoglm::tanh), t, std::string(isa_name(isa)));
  }
}

TEST(Pooling, MakesOneRowOfEachText) {
  ThreadPool pool(2);
  const std::vector<float> x{1, 2, 3, -4, 5, 0, 7, 7};  // rows of two columns
  const std::vector<TextRows> texts{{0, 3}, {3, 1}};
  const auto run = [&](PoolingSum kind) {
    std::vector<float> y(4);
    pool_texts({.pool = pool}, {.texts = texts,
                                .kind = kind,
                                .n = 2,
                                .x = x.data(),
                                .x_stride = 2,
                                .y = y.data(),
                                .y_stride = 2});
    return y;
  };
  EXPECT_EQ(run(PoolingSum::kMean), (std::vector<float>{3, -2.0f / 3, 7, 7}));
  EXPECT_EQ(run(PoolingSum::kMax), (std::vector<float>{5, 2, 7, 7}));
  EXPECT_EQ(run(PoolingSum::kMeanSqrt),
            (std::vector<float>{9 / std::sqrt(3.0f), -2 / std::sqrt(3.0f), 7, 7}));
  EXPECT_EQ(run(PoolingSum::kWeightedMean),
            (std::vector<float>{(1 + 6 + 15) / 6.0f, (2 - 8 + 0) / 6.0f, 7, 7}));
}

}  // namespace
}  // namespace autoglm
