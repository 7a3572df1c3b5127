// One part on a vector type F of sixteen lanes. Keys are copied so that lanes are keys, values so
// that lanes are columns; then scores and outputs are the same product: rows times panels.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/simd/math.h"
#include "kernels/simd/unroll.h"
#include "kernels/whole_attention/variants.h"

namespace autoglm {

// kPanels: of 16 lanes, that six rows are multiplied with at once: so many that the sums fill the
// registers.
template <class F, int kPanels>
class WholeAttention {
 public:
  static void run(const WholeAttentionArgs& args, const WholeAttentionPart& part, float* memory) {
    const WholeAttention work(args, part, memory);
    work.copy_keys();
    work.copy_values();
    for (int64_t row = part.begin; row < part.end; row += WholeAttentionPart::kBlock) {
      const int64_t left = part.end - row;
      work.block(row, left < WholeAttentionPart::kBlock ? left : WholeAttentionPart::kBlock);
    }
  }

 private:
  static constexpr int kRows = 6;

  WholeAttention(const WholeAttentionArgs& args, const WholeAttentionPart& part, float* memory)
      : args_(args),
        part_(part),
        n_(part.text.n_rows),
        row_panels_((n_ + 15) / 16),
        column_panels_((args.head_dim + 15) / 16),
        keys_(memory),
        values_(keys_ + row_panels_ * 16 * args.head_dim),
        scores_(values_ + column_panels_ * row_panels_ * 256) {}

  const float* row_of(const float* x, int64_t stride, int64_t row) const {
    return x + (part_.text.first_row + row) * stride + part_.head * args_.head_dim;
  }

  void copy_keys() const {
    const int64_t dim = args_.head_dim;
    for (int64_t row = 0; row < row_panels_ * 16; ++row) {
      float* to = keys_ + row / 16 * dim * 16 + row % 16;
      const float* from = row < n_ ? row_of(args_.k, args_.k_stride, row) : nullptr;
      for (int64_t d = 0; d < dim; ++d) to[d * 16] = from != nullptr ? from[d] : 0.0f;
    }
  }

  void copy_values() const {
    for (int64_t row = 0; row < n_; ++row) {
      const float* from = row_of(args_.v, args_.v_stride, row);
      for (int64_t p = 0; p < column_panels_; ++p) {
        F::load(from + p * 16, args_.head_dim - p * 16).store(values_ + (p * n_ + row) * 16);
      }
    }
  }

  // y[r][p * 16 ..] = sum over i < n of x[r][i] * panels[p][i][..], i ascending.
  template <int R, int P>
  static void tile(const float* x, int64_t x_stride, const float* panels, int64_t n,
                   F (&sum)[R][P]) {
    unroll<R>([&](auto r) { unroll<P>([&](auto p) { sum[r][p] = F::zero(); }); });
    for (int64_t i = 0; i < n; ++i) {
      F w[P];
      unroll<P>([&](auto p) { w[p] = F::load(panels + (p * n + i) * 16); });
      unroll<R>([&](auto r) {
        const F value = F::set(x[r * x_stride + i]);
        unroll<P>([&](auto p) { sum[r][p] = fma(value, w[p], sum[r][p]); });
      });
    }
  }

  template <int R, int P>
  static void rows(int64_t n_rows, const auto& work) {
    if constexpr (R > 1) {
      if (n_rows < R) return rows<R - 1, P>(n_rows, work);
    }
    work.template operator()<R, P>();
  }

  // Calls work<R, P>(first row, first panel) for tiles that cover all.
  static void tiles(int64_t n_rows, int64_t n_panels, const auto& work) {
    for (int64_t p = 0; p < n_panels;) {
      const bool wide = n_panels - p >= kPanels;
      for (int64_t r = 0; r < n_rows; r += kRows) {
        const auto one = [&]<int R, int P>() { work.template operator()<R, P>(r, p); };
        wide ? rows<kRows, kPanels>(n_rows - r, one) : rows<kRows, 1>(n_rows - r, one);
      }
      p += wide ? kPanels : 1;
    }
  }

  void block(int64_t row, int64_t n_rows) const {
    const int64_t width = row_panels_ * 16;
    const F scale = F::set(args_.scale);
    tiles(n_rows, row_panels_, [&]<int R, int P>(int64_t r, int64_t p) {
      F sum[R][P];
      tile<R, P>(row_of(args_.q, args_.q_stride, row + r), args_.q_stride,
                 keys_ + p * 16 * args_.head_dim, args_.head_dim, sum);
      unroll<R>([&](auto i) {
        unroll<P>(
            [&](auto j) { (sum[i][j] * scale).store(scores_ + (r + i) * width + (p + j) * 16); });
      });
    });
    float totals[WholeAttentionPart::kBlock];
    for (int64_t r = 0; r < n_rows; ++r) totals[r] = softmax(scores_ + r * width);
    tiles(n_rows, column_panels_, [&]<int R, int P>(int64_t r, int64_t p) {
      F sum[R][P];
      tile<R, P>(scores_ + r * width, width, values_ + p * n_ * 16, n_, sum);
      unroll<R>([&](auto i) {
        const F total = F::set(totals[r + i]);
        float* y = args_.y + (part_.text.first_row + row + r + i) * args_.y_stride +
                   part_.head * args_.head_dim;
        unroll<P>([&](auto j) {
          const int64_t column = (p + j) * 16;
          (sum[i][j] / total).store(y + column, args_.head_dim - column);
        });
      });
    });
  }

  // Scores become weights; their sum.
  float softmax(float* scores) const {
    F greatest = F::set(-HUGE_VALF);
    const F unseen = greatest;
    for (int64_t j = 0; j < n_; j += 16) {
      F s = F::load(scores + j);
      if (n_ - j < 16) {
        s = select_lanes(0, n_ - j, s, unseen);
        s.store(scores + j);
      }
      greatest = max(greatest, s);
    }
    const F m = F::set(reduce_max(greatest));
    F sum = F::zero();
    for (int64_t j = 0; j < n_; j += 16) {
      const F p = exp(F::load(scores + j) - m);
      p.store(scores + j);
      sum = sum + p;
    }
    return reduce_add(sum);
  }

  const WholeAttentionArgs& args_;
  const WholeAttentionPart& part_;
  const int64_t n_;
  const int64_t row_panels_;
  const int64_t column_panels_;
  float* const keys_;
  float* const values_;
  float* const scores_;
};

}  // namespace autoglm
