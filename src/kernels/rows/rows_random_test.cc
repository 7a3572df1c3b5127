// The row kernels on random shapes, strides and values: every instruction set gives the same bits,
// they agree with formulas in double within the roundings that each formula has, and touch nothing
// outside their rows.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/embedding/embedding.h"
#include "kernels/linear/progressive.h"
#include "kernels/norm/rms_norm.h"
#include "kernels/rope/rope.h"
#include "kernels/rows/row_kernels.h"
#include "kernels/simd/half.h"
#include "kernels/testing/guarded_rows.h"
#include "kernels/testing/random_cases.h"

namespace autoglm {
namespace {

// Half a unit in the last place of 1, and the least number above 0.
constexpr double kUlp = 0x1p-24;
constexpr double kLeast = 0x1p-149;

std::string text_of(const char* what, Isa isa, int64_t rows, int64_t n) {
  return std::string(what) + " on " + std::string(isa_name(isa)) + ", " + std::to_string(rows) +
         " rows of " + std::to_string(n);
}

void fill_rows(Draw& draw, const GuardedRows& rows, float huge) {
  for (int64_t i = 0; i < rows.rows(); ++i) draw.fill(rows.row(i), huge);
}

GuardedRows random_rows(Draw& draw, int64_t rows, int64_t n, float huge) {
  GuardedRows made(rows, n, n + draw.between(0, 40));
  fill_rows(draw, made, huge);
  return made;
}

TEST(RandomRows, NormsAgree) {
  ThreadPool pool(2);
  for_random_cases(300, [&](Draw& draw) {
    const int64_t rows = draw.rows(60);
    const int64_t groups = draw.one_in(2) ? 1 : draw.between(2, 6);
    const int64_t n = draw.one_in(10) ? draw.between(2000, 6000) : draw.columns(600);
    const auto eps = draw.of({1e-6f, 1e-5f, 1e-2f});
    const bool in_place = draw.one_in(3);
    const bool onto_itself = draw.one_in(2);  // the residual is y
    const bool weighs = !draw.one_in(4);
    const bool adds = draw.one_in(2);
    // Squares of 10^15 still sum to a float.
    const GuardedRows x = random_rows(draw, rows, groups * n, 1e15f);
    const GuardedRows weight = random_rows(draw, 1, n, 100.0f);
    const GuardedRows residual = random_rows(draw, rows, groups * n, 1e15f);
    const int64_t y_stride = groups * n + draw.between(0, 40);
    const GuardedRows first(rows, groups * n, y_stride);
    for (const Isa isa : isas_here()) {
      const std::string what = text_of("norm", isa, rows, groups * n);
      const GuardedRows y(rows, groups * n, y_stride);
      const GuardedRows input(rows, groups * n, x.stride());
      input.copy_from(x);
      const GuardedRows& result = in_place ? input : y;
      const bool own = adds && onto_itself && !in_place;
      if (own) y.copy_from(residual);
      const GuardedRows& added = own ? y : residual;
      rms_norm({.pool = pool, .isa = isa}, {.rows = rows,
                                            .groups = groups,
                                            .n = n,
                                            .x = input.data(),
                                            .x_stride = input.stride(),
                                            .weight = weighs ? weight.data() : nullptr,
                                            .eps = eps,
                                            .residual = adds ? added.data() : nullptr,
                                            .residual_stride = added.stride(),
                                            .y = result.data(),
                                            .y_stride = result.stride()});
      if (isa == Isa::kGeneric) first.copy_from(result);
      result.expect_same(first, what);
      input.expect_untouched_outside(what);
    }
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t g = 0; g < groups; ++g) {
        double squares = 0;
        for (int64_t c = g * n; c < (g + 1) * n; ++c) squares += std::pow(double{x.row(i)[c]}, 2);
        const double factor = 1 / std::sqrt(squares / static_cast<double>(n) + double{eps});
        for (int64_t c = g * n; c < (g + 1) * n; ++c) {
          const double w = weighs ? double{weight.row(0)[c - g * n]} : 1.0;
          const double normed = x.row(i)[c] * factor * w;
          const double expected = normed + (adds ? double{residual.row(i)[c]} : 0.0);
          // Sixteen sums of n / 16 squares, of whose error the root halves; five more operations.
          const double bound = std::abs(normed) * (static_cast<double>(n) / 32 + 10) * kUlp +
                               std::abs(expected) * kUlp + (1 + std::abs(w)) * kLeast;
          ASSERT_NEAR(first.row(i)[c], expected, bound)
              << rows << " rows of " << groups << " x " << n << " at " << i << ", " << c;
        }
      }
    }
  });
}

TEST(RandomRows, RopesAgree) {
  ThreadPool pool(2);
  for_random_cases(200, [&](Draw& draw) {
    const int64_t rows = draw.rows(40);
    const int64_t heads = draw.between(1, 5);
    const int64_t head_dim = draw.of<int64_t>({12, 20, 64, 80, 96, 128, 192, 256});
    const int64_t half = draw.one_in(2) ? head_dim / 2 : draw.between(1, head_dim / 2);
    const bool split = draw.one_in(2);
    const double mscale = draw.one_in(2) ? 1.0 : 1.2;
    const int64_t n = heads * head_dim;
    const GuardedRows x = random_rows(draw, rows, n, 1e30f);
    std::vector<std::array<int32_t, 3>> positions(static_cast<size_t>(rows));
    for (auto& position : positions) {
      for (int32_t& p : position)
        p = static_cast<int32_t>(draw.between(0, 1 << draw.between(1, 20)));
    }
    std::vector<uint8_t> components;
    for (int64_t i = draw.one_in(2) ? half : 0; i > 0; --i) {
      components.push_back(static_cast<uint8_t>(draw.between(0, 2)));
    }
    std::vector<double> inv_freq;
    for (int64_t i = 0; i < half; ++i) {
      inv_freq.push_back(std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(half)));
    }
    const GuardedRows cos(rows, half, half);
    const GuardedRows sin(rows, half, half);
    const GuardedRows first(rows, n, x.stride());
    for (const Isa isa : isas_here()) {
      const Context context{.pool = pool, .isa = isa};
      rope_table(context, {.positions = positions,
                           .inv_freq = inv_freq,
                           .components = components,
                           .mscale = mscale,
                           .cos = cos.data(),
                           .sin = sin.data()});
      const GuardedRows y(rows, n, x.stride());
      y.copy_from(x);
      rope(context, {.rows = rows,
                     .n_heads = heads,
                     .head_dim = head_dim,
                     .rotary_dim = 2 * half,
                     .pairs = split ? RopePairs::kHalfSplit : RopePairs::kInterleaved,
                     .table = {.cos = cos.data(), .sin = sin.data()},
                     .x = y.data(),
                     .x_stride = y.stride()});
      if (isa == Isa::kGeneric) first.copy_from(y);
      y.expect_same(first, text_of("rope", isa, rows, n));
      cos.expect_untouched_outside("cosines");
      sin.expect_untouched_outside("sines");
    }
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t c = 0; c < n; ++c) {
        const int64_t at = c % head_dim;
        const float found = first.row(i)[c];
        if (at >= 2 * half) {
          ASSERT_EQ(found, x.row(i)[c]) << "behind what is turned, at " << i << ", " << c;
          continue;
        }
        const bool second = split ? at >= half : at % 2 == 1;
        const int64_t pair = split ? at % half : at / 2;
        const int64_t other = c + (second ? -1 : 1) * (split ? half : 1);
        const size_t component = components.empty() ? 0 : components[pair];
        const double angle = positions[i][component] * inv_freq[pair];
        const double own = x.row(i)[c] * mscale * std::cos(angle);
        const double cross = (second ? 1 : -1) * x.row(i)[other] * mscale * std::sin(angle);
        // Each factor of the table is rounded, then one product, then the sum.
        const double bound =
            (std::abs(own) + std::abs(cross)) * 3 * kUlp + mscale * 1e-37 + 4 * kLeast;
        ASSERT_NEAR(found, own + cross, bound)
            << (split ? "halves" : "pairs") << " of " << 2 * half << " at " << i << ", " << c;
      }
    }
  });
}

TEST(RandomRows, SumsScalesAndGatesAgree) {
  ThreadPool pool(2);
  for_random_cases(300, [&](Draw& draw) {
    const int64_t rows = draw.rows(60);
    const int64_t n = draw.one_in(10) ? draw.between(1000, 3000) : draw.columns(600);
    const GuardedRows a = random_rows(draw, rows, n, 1e10f);
    const GuardedRows b = random_rows(draw, rows, n, 1e10f);
    const float factor = 3 * draw.normal();
    const int64_t y_stride = n + draw.between(0, 40);
    const auto place = draw.between(0, 2);  // of the result: its own, a's, b's
    for (const int64_t op : {0, 1, 2}) {
      if (op == 2 && place == 2) continue;  // scaling has one input
      const char* name = op == 0 ? "add" : op == 1 ? "swiglu" : "scale";
      const GuardedRows first(rows, n, y_stride);
      for (const Isa isa : isas_here()) {
        const Context context{.pool = pool, .isa = isa};
        const GuardedRows left(rows, n, a.stride());
        const GuardedRows right(rows, n, b.stride());
        const GuardedRows y(rows, n, y_stride);
        left.copy_from(a);
        right.copy_from(b);
        const GuardedRows& out = place == 0 ? y : place == 1 ? left : right;
        const BinaryArgs both{.rows = rows,
                              .n = n,
                              .a = left.data(),
                              .a_stride = left.stride(),
                              .b = right.data(),
                              .b_stride = right.stride(),
                              .y = out.data(),
                              .y_stride = out.stride()};
        if (op == 0) add(context, both);
        if (op == 1) swiglu(context, both);
        if (op == 2) {
          scale(context, {.rows = rows,
                          .n = n,
                          .x = left.data(),
                          .x_stride = left.stride(),
                          .factor = factor,
                          .y = out.data(),
                          .y_stride = out.stride()});
        }
        if (isa == Isa::kGeneric) first.copy_from(out);
        out.expect_same(first, text_of(name, isa, rows, n));
        left.expect_untouched_outside(name);
        right.expect_untouched_outside(name);
      }
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t c = 0; c < n; ++c) {
          const double u = a.row(i)[c];
          const double v = b.row(i)[c];
          const float found = first.row(i)[c];
          if (op != 1) {
            ASSERT_EQ(found, static_cast<float>(op == 0 ? u + v : u * double{factor}))
                << name << " at " << i << ", " << c;
            continue;
          }
          const double expected = u / (1 + std::exp(-u)) * v;
          // exp within 2 ulp and three more operations; below -88.7 e^-x has become infinite, where
          // silu is at least -3e-37.
          const double bound = std::abs(expected) * 8 * kUlp + std::abs(v) * 4e-37 + kLeast;
          ASSERT_NEAR(found, expected, bound) << "swiglu of " << u << " and " << v;
        }
      }
    }
  });
}

TEST(RandomRows, ExponentialsAgree) {
  for_random_cases(100, [&](Draw& draw) {
    const int64_t n = draw.columns(600);
    const GuardedRows x(1, n, n);
    draw.fill(x.row(0), 100.0f);
    const GuardedRows first(1, n, n);
    for (const Isa isa : isas_here()) {
      const GuardedRows y(1, n, n);
      row_kernels(isa).exp(x.data(), y.data(), n);
      if (isa == Isa::kGeneric) first.copy_from(y);
      y.expect_same(first, text_of("exp", isa, 1, n));
    }
    for (int64_t c = 0; c < n; ++c) {
      const double expected = std::exp(double{x.row(0)[c]});
      if (expected > 3.4028235e38) continue;
      // Below e^-104 the result is 0.
      ASSERT_NEAR(first.row(0)[c], expected, expected * 4 * kUlp + kLeast) << x.row(0)[c];
    }
  });
}

TEST(RandomRows, EmbeddingsOfStoredRowsAreThoseRows) {
  ThreadPool pool(2);
  for_random_cases(150, [&](Draw& draw) {
    const DType dtype = draw.of({DType::kF32, DType::kF16, DType::kBF16});
    const int64_t size = dtype == DType::kF32 ? 4 : 2;
    const int64_t n = draw.columns(600);
    const int64_t table_rows = draw.between(1, 20);
    const int64_t skew = draw.between(0, 1);  // a checkpoint's tensors lie where they like
    const GuardedBytes stored(table_rows * n * size + skew);
    std::vector<float> values(static_cast<size_t>(table_rows * n));
    draw.fill(values, 1e4f);
    for (size_t i = 0; i < values.size(); ++i) {
      std::byte* to = stored.data() + i * static_cast<size_t>(size);
      const uint16_t half = dtype == DType::kF16 ? f32_to_f16(values[i]) : f32_to_bf16(values[i]);
      if (size == 4) {
        std::memcpy(to, &values[i], 4);
      } else {
        std::memcpy(to, &half, 2);
        values[i] = dtype == DType::kF16 ? f16_to_f32(half) : bf16_to_f32(half);
      }
    }
    std::vector<int32_t> ids;
    for (int64_t i = draw.rows(60); i > 0; --i) {
      ids.push_back(static_cast<int32_t>(draw.between(0, table_rows - 1)));
    }
    const GuardedRows y(std::ssize(ids), n, n + draw.between(0, 40));
    embedding({.pool = pool}, {.ids = ids,
                               .stored = stored.data(),
                               .dtype = dtype,
                               .n = n,
                               .y = y.data(),
                               .y_stride = y.stride()});
    y.expect_untouched_outside("embedding");
    for (int64_t i = 0; i < y.rows(); ++i) {
      for (int64_t c = 0; c < n; ++c) {
        ASSERT_EQ(y.row(i)[c], values[static_cast<size_t>(ids[i] * n + c)]) << i << ", " << c;
      }
    }
  });
}

// Of every scale and offset the nearest code is taken: what is left is half a step, but for what
// lies outside of the codes.
TEST(RandomRows, GroupsOfCodesAgree) {
  for_random_cases(400, [&](Draw& draw) {
    const auto bits = static_cast<int>(draw.between(2, 5));
    const auto parts = static_cast<size_t>(draw.between(1, 4));
    const GuardedRows x(1, static_cast<int64_t>(32 * parts), 128);
    draw.fill(x.row(0), 100.0f);
    for (float& v : x.row(0)) v = std::min(127.0f, std::max(-127.0f, v * draw.of({1.0f, 35.0f})));
    std::vector<ProgressiveGroup> first(parts);
    row_kernels(Isa::kGeneric).choose_group(x.data(), bits, first);
    for (const Isa isa : isas_here()) {
      std::vector<ProgressiveGroup> groups(parts);
      row_kernels(isa).choose_group(x.data(), bits, groups);
      ASSERT_EQ(std::memcmp(groups.data(), first.data(), parts * sizeof(ProgressiveGroup)), 0)
          << bits << " bits on " << isa_name(isa);
    }
    const int largest = (1 << bits) - 1;
    for (size_t i = 0; i < 32 * parts; ++i) {
      const ProgressiveGroup& group = first[i / 32];
      ASSERT_TRUE(is_expandable(group, bits));
      ASSERT_EQ(group.scale, first[0].scale);
      ASSERT_EQ(group.offset, first[0].offset);
      const int code = group.codes[i % 32];
      ASSERT_LE(code, largest);
      const double exact = (double{x.row(0)[i]} - group.offset) / group.scale;
      const double nearest = std::min<double>(largest, std::max(0.0, exact));
      ASSERT_NEAR(code, nearest, 0.5 + 1e-5) << bits << " bits, " << x.row(0)[i];
    }
  });
}

}  // namespace
}  // namespace autoglm
