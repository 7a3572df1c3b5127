// Attention over pages on a vector type F of sixteen lanes, compiled once for each instruction set.
//
// For one query and each page that holds keys it may see, in ascending order:
//   s[j] = scale * (fma chain over d of q[d] * k[d][j])         lanes are the page's 32 keys
//   M = max(m, max of s);  c = exp(m - M);  p[j] = exp(s[j] - M), 0 for keys it may not see
//   l = l * c + (p[0..15] + p[16..31]), in 16 lanes;  o[d] = o[d] * c, then fma(p[j], v[j][d],
//   o[d]), j ascending
// and at the end o / (the lanes of l joined).
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/attention/variants.h"
#include "kernels/simd/load.h"
#include "kernels/simd/math.h"

namespace autoglm {

template <class F>
class PagedAttention {
 public:
  static void run(const AttentionArgs& args, const AttentionPart& part, std::byte* scratch) {
    PagedAttention work(args, part, scratch);
    switch (args.cache.dtype) {
      case DType::kBF16: work.template all_pages<LoadBf16<F>>(); break;
      case DType::kF16: work.template all_pages<LoadF16<F>>(); break;
      default: work.template all_pages<LoadF32<F>>(); break;
    }
    work.finish();
  }

 private:
  static constexpr int64_t kPage = KvCache::kPageTokens;
  static constexpr int kScoreRows = 3;   // 3 x 32 scores in 12 AVX2 registers
  static constexpr int kOutputRows = 6;  // 6 x 16 outputs in 12 AVX2 registers

  struct Query {
    const float* q = nullptr;
    int64_t position = 0;
    float max = -HUGE_VALF;
    int64_t begin = 0;  // keys of the present page that it may see: [begin, end)
    int64_t end = 0;
  };

  PagedAttention(const AttentionArgs& args, const AttentionPart& part, std::byte* scratch)
      : args_(args), part_(part), width_(padded_head(args.cache.head_dim)) {
    n_ = part.n_rows * part.n_heads;
    outputs_ = reinterpret_cast<float*>(scratch);
    weights_ = outputs_ + AttentionPart::kMaxQueries * width_;
    sums_ = weights_ + AttentionPart::kMaxQueries * kPage;
    wide_keys_ = sums_ + AttentionPart::kMaxQueries * 16;
    wide_values_ = wide_keys_ + kPage * width_;
    for (int64_t i = 0; i < n_; ++i) {
      const int64_t row = part.row + i / part.n_heads;
      const int64_t head = part.head + i % part.n_heads;
      queries_[i].position = part.sequence->start_position + row;
      queries_[i].q =
          args.q + (part.sequence->first_row + row) * args.q_stride + head * args.cache.head_dim;
      F::zero().store(sums_ + i * 16);
      for (int64_t d = 0; d < width_; d += 16) F::zero().store(outputs_ + i * width_ + d);
    }
  }

  int64_t first_key(int64_t position) const {
    return args_.window > 0 && position >= args_.window ? position - args_.window + 1 : 0;
  }

  template <class Kv>
  void all_pages() {
    using Stored = typename Kv::Stored;
    const int64_t first = first_key(queries_[0].position) / kPage;
    const int64_t last = queries_[n_ - 1].position / kPage;
    const int64_t head_bytes = 2 * kPage * width_ * static_cast<int64_t>(sizeof(Stored));
    for (int64_t page = first; page <= last; ++page) {
      const std::byte* data =
          args_.cache.data +
          part_.sequence->pages[static_cast<size_t>(page)] * args_.cache.page_stride_bytes +
          part_.kv_head * head_bytes;
      const auto* keys = reinterpret_cast<const Stored*>(data);
      const Stored* values = keys + kPage * width_;
      for (int64_t i = 0; i < n_; ++i) {
        Query& query = queries_[i];
        const int64_t begin = first_key(query.position) - page * kPage;
        const int64_t end = query.position + 1 - page * kPage;
        query.begin = begin > 0 ? begin : 0;
        query.end = end < kPage ? end : kPage;
      }
      if constexpr (sizeof(Stored) == sizeof(float)) {
        one_page<Kv>(keys, values);
      } else if (n_ > kOutputRows) {
        // Widening is exact, so doing it once for all queries changes nothing.
        widen<Kv>(keys, wide_keys_, args_.cache.head_dim * kPage);
        widen<Kv>(values, wide_values_, kPage * width_);
        one_page<LoadF32<F>>(wide_keys_, wide_values_);
      } else {
        one_page<Kv>(keys, values);
      }
    }
  }

  template <class Kv>
  static void widen(const typename Kv::Stored* from, float* to, int64_t n) {
    for (int64_t i = 0; i < n; i += 16) Kv::load(from + i).store(to + i);
  }

  template <class Kv>
  void one_page(const typename Kv::Stored* keys, const typename Kv::Stored* values) {
    for (int64_t i = 0; i < n_;) {
      if (i + kScoreRows <= n_ && all_see(i, kScoreRows)) {
        scores<Kv, kScoreRows>(i, keys);
        i += kScoreRows;
      } else {
        if (all_see(i, 1)) scores<Kv, 1>(i, keys);
        ++i;
      }
    }
    for (int64_t i = 0; i < n_;) {
      if (i + kOutputRows <= n_ && same_keys(i, kOutputRows)) {
        outputs<Kv, kOutputRows>(i, values);
        i += kOutputRows;
      } else if (i + 2 <= n_ && same_keys(i, 2)) {
        outputs<Kv, 2>(i, values);
        i += 2;
      } else {
        if (all_see(i, 1)) outputs<Kv, 1>(i, values);
        ++i;
      }
    }
  }

  // Whether queries [i, i + n) all may see a key of this page.
  bool all_see(int64_t i, int64_t n) const {
    for (int64_t j = i; j < i + n; ++j) {
      if (queries_[j].begin >= queries_[j].end) return false;
    }
    return true;
  }
  // Whether they all may see the same keys of it, and some.
  bool same_keys(int64_t i, int64_t n) const {
    if (!all_see(i, n)) return false;
    for (int64_t j = i + 1; j < i + n; ++j) {
      if (queries_[j].begin != queries_[i].begin || queries_[j].end != queries_[i].end)
        return false;
    }
    return true;
  }

  // Turns the scores of queries [i, i + R) into softmax weights and brings their state to the new
  // maximum.
  template <class Kv, int R>
  void scores(int64_t i, const typename Kv::Stored* keys) {
    F low[R];
    F high[R];
    for (int r = 0; r < R; ++r) low[r] = high[r] = F::zero();
    const float* q[R];
    for (int r = 0; r < R; ++r) q[r] = queries_[i + r].q;
    for (int64_t d = 0; d < args_.cache.head_dim; ++d) {
      const F key_low = Kv::load(keys + d * kPage);
      const F key_high = Kv::load(keys + d * kPage + 16);
      for (int r = 0; r < R; ++r) {
        const F value = F::set(q[r][d]);
        low[r] = fma(value, key_low, low[r]);
        high[r] = fma(value, key_high, high[r]);
      }
    }
    for (int r = 0; r < R; ++r) softmax(i + r, low[r], high[r]);
  }

  void softmax(int64_t i, F low, F high) {
    Query& query = queries_[i];
    const F unseen = F::set(-HUGE_VALF);
    low = low * F::set(args_.scale);
    high = high * F::set(args_.scale);
    if (query.begin > 0 || query.end < kPage) {
      low = select_lanes(query.begin, query.end, low, unseen);
      high = select_lanes(query.begin - 16, query.end - 16, high, unseen);
    }
    const float page_max = reduce_max(max(low, high));
    F sum = F::load(sums_ + i * 16);
    if (page_max > query.max) {
      // Where the maximum stays the correction is exactly 1.
      const F correction = exp(F::set(query.max) - F::set(page_max));
      sum = sum * correction;
      float* output = outputs_ + i * width_;
      for (int64_t d = 0; d < width_; d += 16) (F::load(output + d) * correction).store(output + d);
      query.max = page_max;
    }
    low = exp(low - F::set(query.max));
    high = exp(high - F::set(query.max));
    (sum + (low + high)).store(sums_ + i * 16);
    low.store(weights_ + i * kPage);
    high.store(weights_ + i * kPage + 16);
  }

  // Adds the page's values to the outputs of queries [i, i + R), which may see the same keys.
  template <class Kv, int R>
  void outputs(int64_t i, const typename Kv::Stored* values) {
    const int64_t begin = queries_[i].begin;
    const int64_t end = queries_[i].end;
    for (int64_t d = 0; d < width_; d += 16) {
      float* at = outputs_ + i * width_ + d;
      const float* weight = weights_ + i * kPage;
      F sum[R];
      for (int r = 0; r < R; ++r) sum[r] = F::load(at + r * width_);
      for (int64_t j = begin; j < end; ++j) {
        const F value = Kv::load(values + j * width_ + d);
        for (int r = 0; r < R; ++r) sum[r] = fma(F::set(weight[r * kPage + j]), value, sum[r]);
      }
      for (int r = 0; r < R; ++r) sum[r].store(at + r * width_);
    }
  }

  void finish() const {
    for (int64_t i = 0; i < n_; ++i) {
      const int64_t row = part_.sequence->first_row + part_.row + i / part_.n_heads;
      const int64_t head = part_.head + i % part_.n_heads;
      const int64_t head_dim = args_.cache.head_dim;
      float* y = args_.y + row * args_.y_stride + head * head_dim;
      const F total = F::set(reduce_add(F::load(sums_ + i * 16)));
      for (int64_t d = 0; d < head_dim; d += 16) {
        (F::load(outputs_ + i * width_ + d) / total).store(y + d, head_dim - d);
      }
    }
  }

  const AttentionArgs& args_;
  const AttentionPart& part_;
  const int64_t width_;  // head_dim, padded
  int64_t n_ = 0;        // queries
  Query queries_[AttentionPart::kMaxQueries];
  float* outputs_ = nullptr;      // [queries, width]
  float* weights_ = nullptr;      // [queries, 32]
  float* sums_ = nullptr;         // [queries, 16]
  float* wide_keys_ = nullptr;    // [width, 32]
  float* wide_values_ = nullptr;  // [32, width]
};

}  // namespace autoglm
