// Scores and outputs over keys and values stored as floats of any width:
//   s[j] = scale * (fma chain over d of q[d] * k[d][j])
//   o[d] = fma chain over j, ascending, of p[j] * v[j][d]
// Few queries read the page as it is stored; many widen it once, which is exact.
#pragma once

#include <cstdint>

#include "kernels/attention/stretch.h"
#include "kernels/simd/load.h"
#include "kernels/simd/unroll.h"

namespace autoglm {

template <class F, class Kv, int kWide>
class FloatPages {
 public:
  FloatPages(const AttentionArgs& args, const AttentionPart&, Stretch& stretch)
      : stretch_(stretch), head_dim_(args.cache.head_dim), scale_(args.scale) {}

  void scores(int64_t page) {
    const Stored* keys = keys_of(page);
    // While scores are made, the values come; while outputs are made, the next stretch's keys.
    ahead_ = {reinterpret_cast<const std::byte*>(values_of(page)), kLines * 64 / 16};
    int64_t from, to;
    stretch_.seeing(page, &from, &to);
    float* out = stretch_.scores + page * kPage;
    if (kBytes < 4 && to - from > kWidenAbove) {
      for (int64_t i = 0; i < kPage * head_dim_; i += 16) {
        Kv::load(keys + i).store(stretch_.wide + i);
      }
      score_rows<LoadF32<F>>(from, to, stretch_.wide, out);
    } else {
      score_rows<Kv>(from, to, keys, out);
    }
  }

  void weights(int64_t) {}

  void outputs(float* out) {
    for (int64_t i = stretch_.seen_begin; i < stretch_.seen_end; ++i) {
      for (int64_t d = 0; d < stretch_.width; d += 16)
        F::zero().store(out + i * stretch_.width + d);
    }
    const bool widen = kBytes < 4 && stretch_.seen_end - stretch_.seen_begin > kWidenAbove;
    for (int64_t d = 0; d < stretch_.width;) {
      // A line of memory holds 32 values of 16 bits: few queries take them together.
      const bool two = d + 32 <= stretch_.width;
      if (widen) {
        if (two) {
          widen_values<2>(d);
        } else {
          widen_values<1>(d);
        }
        Column<float> column{.first = d, .stride = two ? 32 : 16};
        for (int64_t page = stretch_.first_page; page < stretch_.end_page; ++page) {
          column.pages[page] = stretch_.wide + page * kPage * column.stride;
        }
        output_rows<LoadF32<F>>(out + d, column, two);
      } else {
        Column<Stored> column{.first = d, .stride = stretch_.width};
        for (int64_t page = stretch_.first_page; page < stretch_.end_page; ++page) {
          column.pages[page] = values_of(page) + d;
        }
        output_rows<Kv>(out + d, column, two);
      }
      d += two ? 32 : 16;
    }
  }

 private:
  using Stored = typename Kv::Stored;
  static constexpr int64_t kBytes = sizeof(Stored);
  static constexpr int64_t kPage = KvCache::kPageTokens;
  static constexpr int64_t kKeys = AttentionPart::kStretch;
  static constexpr int64_t kWidenAbove = 12;  // two blocks of six queries: then it pays

  // Lines of 16 dimensions of a page's keys, or values.
  static constexpr int64_t kLines = kPage * 16 * kBytes / 64;

  // 16 or 32 neighbouring values of each key of the stretch.
  template <class T>
  struct Column {
    int64_t first = 0;   // of the values of a key
    int64_t stride = 0;  // from key to key of a page
    const T* pages[AttentionPart::kStretchPages] = {};
  };

  const Stored* keys_of(int64_t page) const {
    return reinterpret_cast<const Stored*>(stretch_.keys[page]);
  }
  const Stored* values_of(int64_t page) const { return keys_of(page) + kPage * stretch_.width; }

  template <int N>
  void widen_values(int64_t d) {
    for (int64_t page = stretch_.first_page; page < stretch_.end_page; ++page) {
      const Stored* from = values_of(page) + d;
      float* to = stretch_.wide + page * kPage * N * 16;
      for (int64_t j = 0; j < kPage; ++j, from += stretch_.width, to += N * 16) {
        for (int64_t n = 0; n < N; ++n) Kv::load(from + n * 16).store(to + n * 16);
      }
    }
  }

  template <class Load>
  void score_rows(int64_t from, int64_t to, const typename Load::Stored* keys, float* out) {
    while (to - from >= 6) {
      score_block<Load, 6, kWide>(from, keys, out);
      from += 6;
    }
    switch (to - from) {
      case 5: return score_block<Load, 5, kWide>(from, keys, out);
      case 4: return score_block<Load, 4, kWide>(from, keys, out);
      case 3: return score_block<Load, 3, kWide>(from, keys, out);
      case 2: return score_block<Load, 2, 2>(from, keys, out);
      case 1: return score_block<Load, 1, 2>(from, keys, out);
    }
  }

  // R queries by the page's 32 keys, N x 16 of them at a time.
  template <class Load, int R, int N>
  void score_block(int64_t i, const typename Load::Stored* keys, float* out) {
    const float* q[R];
    unroll<R>([&](auto r) __attribute__((always_inline)) { q[r] = stretch_.q[i + r]; });
    const F scale = F::set(scale_);
    for (int64_t part = 0; part < kPage; part += 16 * N) {
      F sum[R][N];
      unroll<R>([&](auto r) __attribute__((always_inline)) {
        unroll<N>([&](auto n) __attribute__((always_inline)) { sum[r][n] = F::zero(); });
      });
      const auto* key = keys + part;
      for (int64_t d = 0; d < head_dim_; ++d, key += kPage) {
        ahead_.ask();
        F k[N];
        unroll<N>([&](auto n) __attribute__((always_inline)) { k[n] = Load::load(key + n * 16); });
        unroll<R>([&](auto r) __attribute__((always_inline)) {
          const F x = F::set(q[r][d]);
          unroll<N>([&](auto n)
                        __attribute__((always_inline)) { sum[r][n] = fma(x, k[n], sum[r][n]); });
        });
      }
      unroll<R>([&](auto r) __attribute__((always_inline)) {
        unroll<N>([&](auto n) __attribute__((always_inline)) {
          (sum[r][n] * scale).store(out + (i + r) * kKeys + part + n * 16);
        });
      });
    }
    ahead_.step = 0;
  }

  // Outputs of all queries from a column of values; out is at the column's place in the first row.
  template <class Load, class T>
  void output_rows(float* out, const Column<T>& column, bool two) {
    int64_t i = stretch_.seen_begin;
    for (; stretch_.seen_end - i >= 6; i += 6) output_block<Load, 6>(i, out, column, two);
    switch (stretch_.seen_end - i) {
      case 5: return output_block<Load, 5>(i, out, column, two);
      case 4: return output_block<Load, 4>(i, out, column, two);
      case 3: return output_block<Load, 3>(i, out, column, two);
      case 2: return output_block<Load, 2>(i, out, column, two);
      case 1: return output_block<Load, 1>(i, out, column, two);
    }
  }

  // The keys that all of R queries see are taken together; those that only some see, one query at a
  // time: a weight of 0 times what it may not see could still change the sign of a zero.
  template <class Load, int R, class T>
  void output_block(int64_t i, float* out, const Column<T>& column, bool two) {
    const int64_t* begin = stretch_.begin + i;
    const int64_t* end = stretch_.end + i;
    int64_t from = begin[0];
    int64_t to = end[0];
    for (int r = 1; r < R; ++r) {
      from = greater(from, begin[r]);
      to = less(to, end[r]);
    }
    to = greater(from, to);
    if constexpr (R > 1) {
      for (int r = 0; r < R; ++r) {
        output_keys<Load, 1>(i + r, out, column, two, begin[r], less(from, end[r]));
      }
    }
    output_keys<Load, R>(i, out, column, two, from, to);
    if constexpr (R > 1) {
      for (int r = 0; r < R; ++r) output_keys<Load, 1>(i + r, out, column, two, to, end[r]);
    }
  }

  template <class Load, int R, class T>
  void output_keys(int64_t i, float* out, const Column<T>& column, bool two, int64_t from,
                   int64_t to) {
    if (from >= to) return;
    constexpr bool kTogether = R <= 2 || kWide == 2;
    if (!two) {
      add_keys<Load, R, 1>(i, out, column, 0, from, to);
    } else if constexpr (kTogether) {
      add_keys<Load, R, 2>(i, out, column, 0, from, to);
    } else {
      add_keys<Load, R, 1>(i, out, column, 0, from, to);
      add_keys<Load, R, 1>(i, out, column, 16, from, to);
    }
  }

  template <class Load, int R, int N, class T>
  void add_keys(int64_t i, float* out, const Column<T>& column, int64_t d, int64_t from,
                int64_t to) {
    float* at = out + i * stretch_.width + d;
    F sum[R][N];
    unroll<R>([&](auto r) __attribute__((always_inline)) {
      unroll<N>([&](auto n) __attribute__((always_inline)) {
        sum[r][n] = F::load(at + r * stretch_.width + n * 16);
      });
    });
    const float* weight = stretch_.scores + i * kKeys;
    for (int64_t j = from; j < to;) {
      const int64_t page = j / kPage;
      const int64_t page_end = less(to, (page + 1) * kPage);
      const T* value = column.pages[page] + j % kPage * column.stride + d;
      Ahead ahead{reinterpret_cast<const std::byte*>(value)};
      if (i == stretch_.seen_begin && stretch_.next_keys[page] != nullptr) {
        ahead = {stretch_.next_keys[page] + (column.first + d) / 16 * kLines * 64,
                 kLines * N * 64 / kPage};
      }
      for (; j < page_end; ++j, value += column.stride) {
        ahead.ask();
        F v[N];
        unroll<N>([&](auto n)
                      __attribute__((always_inline)) { v[n] = Load::load(value + n * 16); });
        unroll<R>([&](auto r) __attribute__((always_inline)) {
          const F p = F::set(weight[r * kKeys + j]);
          unroll<N>([&](auto n)
                        __attribute__((always_inline)) { sum[r][n] = fma(p, v[n], sum[r][n]); });
        });
      }
    }
    unroll<R>([&](auto r) __attribute__((always_inline)) {
      unroll<N>([&](auto n) __attribute__((always_inline)) {
        sum[r][n].store(at + r * stretch_.width + n * 16);
      });
    });
  }

  Stretch& stretch_;
  const int64_t head_dim_;
  const float scale_;
  Ahead ahead_;
};

}  // namespace autoglm
