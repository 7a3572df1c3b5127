// Scores and outputs over keys and values in int8, each head of a token with a scale of its own.
// Queries, and the weights of a stretch, are rounded to 16 bits: products then sum exactly in 32
// bits, whatever the order, and what is lost beside the rounding of keys and values is nothing.
//   a = (max of |q|) / 32767; q' = q / a, rounded
//   s[j] = (sum of q'[d] * k[d][j]) * key scale[j] * (a * scale)
//   w[j] = p[j] * value scale[j];  b = (max of w) / 32767;  w' = w / b, rounded
//   o[d] = (sum of w'[j] * v[j][d]) * b
// A page is keys [head_dim / 2][32 keys][2], values [32 / 2][head_dim][2 keys], 32 scales of keys
// and 32 of values.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/attention/stretch.h"
#include "kernels/simd/math.h"
#include "kernels/simd/unroll.h"

namespace autoglm {

template <class F, int kWide>
class Int8Pages {
 public:
  Int8Pages(const AttentionArgs& args, const AttentionPart&, Stretch& stretch)
      : stretch_(stretch), head_dim_(args.cache.head_dim), width_(stretch.width) {
    queries_ = reinterpret_cast<int16_t*>(stretch.wide);
    weights_ = queries_ + Stretch::kQueries * width_;
    for (int64_t i = 0; i < stretch.n; ++i) {
      F largest = F::zero();
      for (int64_t d = 0; d < head_dim_; d += 16) {
        largest = max_abs_bits(largest, F::load(stretch.q[i] + d, head_dim_ - d));
      }
      const Grid grid(reduce_max_bits(largest));
      for (int64_t d = 0; d < width_; d += 16) {
        grid.codes(F::load(stretch.q[i] + d, head_dim_ - d)).store_i16(queries_ + i * width_ + d);
      }
      query_scales_[i] = grid.scale * args.scale;
    }
  }

  void scores(int64_t page) {
    ahead_ = {reinterpret_cast<const std::byte*>(values_of(page)), kLines * 64 / 8};
    for (int64_t i = 0; i < 2 * kScaleBytes; i += 64) {
      __builtin_prefetch(reinterpret_cast<const std::byte*>(key_scales(page)) + i, 0, 2);
    }
    int64_t from, to;
    stretch_.seeing(page, &from, &to);
    while (to - from >= kRows) {
      score_block<kRows, kWide>(from, page);
      from += kRows;
    }
    if (to - from == 3) return score_block<3, kWide>(from, page);
    if (to - from == 2) return score_block<2, 2>(from, page);
    if (to - from == 1) return score_block<1, 2>(from, page);
  }

  // Softmax weights become codes, 0 for every key of the stretch's pages that the query may not
  // see: what lies there may be garbage.
  void weights(int64_t q) {
    const int64_t begin = stretch_.begin[q];
    const int64_t end = stretch_.end[q];
    const float* p = stretch_.scores + q * kKeys;
    float* w = stretch_.scores + q * kKeys;
    F largest = F::zero();
    for (int64_t j = begin / 16 * 16; j < end; j += 16) {
      F x = F::load(p + j) * F::load(value_scales(j / kPage) + j % kPage);
      if (begin > j || end < j + 16) x = select_lanes(begin - j, end - j, x, F::zero());
      x.store(w + j);
      largest = max_abs_bits(largest, x);
    }
    const Grid grid(reduce_max_bits(largest));
    output_scales_[q] = grid.scale;
    for (int64_t j = stretch_.first_page * kPage; j < stretch_.end_page * kPage; j += 16) {
      const bool seen = j + 16 > begin && j < end;
      (seen ? grid.codes(F::load(w + j)) : F::zero()).store_i16(weights_ + q * kKeys + j);
    }
  }

  void outputs(float* out) {
    for (int64_t d = 0; d < width_;) {
      const bool two = d + 32 <= width_;
      int64_t i = stretch_.seen_begin;
      for (; stretch_.seen_end - i >= kRows; i += kRows) output_block<kRows>(i, d, two, out);
      const int64_t left = stretch_.seen_end - i;
      if (left == 3) output_block<3>(i, d, two, out);
      if (left == 2) output_block<2>(i, d, two, out);
      if (left == 1) output_block<1>(i, d, two, out);
      d += two ? 32 : 16;
    }
  }

 private:
  static constexpr int64_t kPage = KvCache::kPageTokens;
  static constexpr int64_t kKeys = AttentionPart::kStretch;
  static constexpr int64_t kLines = kPage * 16 / 64;  // of 16 dimensions of a page
  static constexpr int64_t kScaleBytes = kPage * int64_t{sizeof(float)};
  // Four queries' sums, a product and the operands of one F fill sixteen AVX2 registers.
  static constexpr int kRows = 4;

  // Codes in 16 bits for numbers of magnitude at most `peak`. Zero, or so small that 32767 / peak
  // overflows: all codes are 0. Not finite: the scale is not a number.
  struct Grid {
    explicit Grid(float peak) : inverse(32767.0f / peak) {
      usable = peak > 0 && peak < HUGE_VALF && inverse < HUGE_VALF;
      scale = usable ? peak / 32767.0f : peak < HUGE_VALF ? 0.0f : NAN;
    }
    F codes(F x) const { return usable ? round_even(x * F::set(inverse)) : F::zero(); }

    float inverse;
    float scale;
    bool usable;
  };

  const int8_t* keys_of(int64_t page) const {
    return reinterpret_cast<const int8_t*>(stretch_.keys[page]);
  }
  const int8_t* values_of(int64_t page) const { return keys_of(page) + kPage * width_; }
  const float* key_scales(int64_t page) const {
    return reinterpret_cast<const float*>(stretch_.keys[page] + 2 * kPage * width_);
  }
  const float* value_scales(int64_t page) const { return key_scales(page) + kPage; }

  template <int R, int N>
  void score_block(int64_t i, int64_t page) {
    const int64_t pairs = (head_dim_ + 1) / 2;
    for (int64_t part = 0; part < kPage; part += 16 * N) {
      Sums sum[R][N];
      unroll<R>([&](auto r) __attribute__((always_inline)) {
        unroll<N>([&](auto n) __attribute__((always_inline)) { sum[r][n] = Sums::zero(); });
      });
      const int8_t* key = keys_of(page) + part * 2;
      const int16_t* q = queries_ + i * width_;
      for (int64_t d = 0; d < pairs; ++d, key += kPage * 2, q += 2) {
        ahead_.ask();
        Pairs k[N];
        unroll<N>([&](auto n)
                      __attribute__((always_inline)) { k[n] = Pairs::load_i8(key + n * 32); });
        unroll<R>([&](auto r) __attribute__((always_inline)) {
          const Pairs x = Pairs::set(q + r * width_);
          unroll<N>([&](auto n) __attribute__((always_inline)) { sum[r][n].add(x, k[n]); });
        });
      }
      unroll<R>([&](auto r) __attribute__((always_inline)) {
        float* out = stretch_.scores + (i + r) * kKeys + page * kPage + part;
        const F scale = F::set(query_scales_[i + r]);
        unroll<N>([&](auto n) __attribute__((always_inline)) {
          const F key_scale = F::load(key_scales(page) + part + n * 16);
          (F::from(sum[r][n]) * key_scale * scale).store(out + n * 16);
        });
      });
    }
    ahead_.step = 0;
  }

  template <int R>
  void output_block(int64_t i, int64_t d, bool two, float* out) {
    constexpr bool kTogether = R <= 2 || kWide == 2;
    if (!two) {
      output_columns<R, 1>(i, d, out);
    } else if constexpr (kTogether) {
      output_columns<R, 2>(i, d, out);
    } else {
      output_columns<R, 1>(i, d, out);
      output_columns<R, 1>(i, d + 16, out);
    }
  }

  template <int R, int N>
  void output_columns(int64_t i, int64_t d, float* out) {
    Sums sum[R][N];
    unroll<R>([&](auto r) __attribute__((always_inline)) {
      unroll<N>([&](auto n) __attribute__((always_inline)) { sum[r][n] = Sums::zero(); });
    });
    int64_t from = stretch_.end_page * kPage;
    int64_t to = 0;
    for (int r = 0; r < R; ++r) {
      from = less(from, stretch_.begin[i + r]);
      to = greater(to, stretch_.end[i + r]);
    }
    const int16_t* weight = weights_ + i * kKeys;
    for (int64_t j = from / 2 * 2; j < to;) {
      const int64_t page = j / kPage;
      const int64_t stop = less(to, (page + 1) * kPage);
      const int8_t* value = values_of(page) + (j % kPage * width_ + d * 2);
      Ahead ahead{reinterpret_cast<const std::byte*>(value)};
      if (i == stretch_.seen_begin && stretch_.next_keys[page] != nullptr) {
        ahead = {stretch_.next_keys[page] + d / 16 * kLines * 64, kLines * N * 64 / (kPage / 2)};
      }
      for (; j < stop; j += 2, value += 2 * width_) {
        ahead.ask();
        Pairs v[N];
        unroll<N>([&](auto n)
                      __attribute__((always_inline)) { v[n] = Pairs::load_i8(value + n * 32); });
        unroll<R>([&](auto r) __attribute__((always_inline)) {
          const Pairs x = Pairs::set(weight + r * kKeys + j);
          unroll<N>([&](auto n) __attribute__((always_inline)) { sum[r][n].add(x, v[n]); });
        });
      }
    }
    unroll<R>([&](auto r) __attribute__((always_inline)) {
      const F scale = F::set(output_scales_[i + r]);
      unroll<N>([&](auto n) __attribute__((always_inline)) {
        (F::from(sum[r][n]) * scale).store(out + (i + r) * width_ + d + n * 16);
      });
    });
  }

  using Pairs = typename F::Pairs;
  using Sums = typename F::Sums;

  Stretch& stretch_;
  const int64_t head_dim_;
  const int64_t width_;
  int16_t* queries_ = nullptr;  // [queries, width]
  int16_t* weights_ = nullptr;  // [queries, 256]
  float query_scales_[Stretch::kQueries];
  float output_scales_[Stretch::kQueries];
  Ahead ahead_;
};

// One head of a token, rounded to int8.
template <class F>
float quantize_head(const KvHead& head) {
  F largest = F::zero();
  for (int64_t d = 0; d < head.head_dim; d += 16) {
    largest = max_abs_bits(largest, F::load(head.x + d, head.head_dim - d));
  }
  const float peak = reduce_max_bits(largest);
  const float inverse = 127.0f / peak;
  // Zero, infinite, not a number, or so small that 127 / peak overflows: no code stands for it.
  const bool usable = peak > 0 && peak < HUGE_VALF && inverse < HUGE_VALF;
  for (int64_t d = 0; d < head.head_dim; d += 16) {
    const F x = F::load(head.x + d, head.head_dim - d);
    (usable ? round_even(x * F::set(inverse)) : F::zero()).store_i8(head.codes + d);
  }
  return usable ? peak / 127.0f : peak < HUGE_VALF ? 0.0f : NAN;
}

}  // namespace autoglm
