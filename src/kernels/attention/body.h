// Attention over pages on a vector type F of sixteen lanes, compiled once for each instruction set.
//
// For one query and each stretch of 256 keys of which it may see some:
//   s[j] = scale * (q . k[j])                            float_pages.h and int8_pages.h
//   m = max of s;  p[j] = exp(s[j] - m), 0 for keys it may not see
//   l = p[0..15] + p[16..31] + ..., in 16 lanes, joined
//   o[d] = sum of p[j] * v[j][d]                         float_pages.h and int8_pages.h
// then the stretches' (m, l, o) are folded (fold.h), and at the end o / l. Which queries share a
// part, and which thread computes which stretch, is none of it.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/attention/float_pages.h"
#include "kernels/attention/fold.h"
#include "kernels/attention/int8_pages.h"
#include "kernels/attention/stretch.h"
#include "kernels/attention/variants.h"
#include "kernels/simd/load.h"
#include "kernels/simd/math.h"

namespace autoglm {

// Bf16Pages: how pages of bf16 are read. kWide: how many F of one query's scores or outputs are
// summed at once where many queries share a load; so many that six queries' sums and the operands
// fill the registers.
template <class F, int kWide, class Bf16Pages = FloatPages<F, LoadBf16<F>, kWide>>
class PagedAttention {
 public:
  static void run(const AttentionArgs& args, const AttentionPart& part, std::byte* scratch) {
    PagedAttention work(args, part, scratch);
    switch (args.cache.dtype) {
      case DType::kBF16: work.template stretches<Bf16Pages>(); break;
      case DType::kF16: work.template stretches<FloatPages<F, LoadF16<F>, kWide>>(); break;
      case DType::kI8: work.template stretches<Int8Pages<F, kWide>>(); break;
      default: work.template stretches<FloatPages<F, LoadF32<F>, kWide>>(); break;
    }
  }

  static void join(const AttentionArgs& args, const AttentionPart& part, int64_t first, int64_t n,
                   float* nodes) {
    const int64_t width = padded_head(args.cache.head_dim);
    StretchFold<F> fold(part.n_rows * part.n_heads, width);
    for (int64_t i = 0; i < n; ++i) {
      fold.add(FoldState::at(nodes + i * fold_floats(width)), first + i);
    }
    write(args, part, fold.finish());
  }

 private:
  static constexpr int64_t kPage = KvCache::kPageTokens;
  static constexpr int64_t kStretch = AttentionPart::kStretch;

  PagedAttention(const AttentionArgs& args, const AttentionPart& part, std::byte* scratch)
      : args_(args),
        part_(part),
        stretch_(args, part, reinterpret_cast<float*>(scratch)),
        fold_(stretch_.n, stretch_.width) {
    fold_.own_places(stretch_.places);
  }

  template <class Pages>
  void stretches() {
    Pages pages(args_, part_, stretch_);
    for (int64_t i = part_.first_stretch; i < part_.end_stretch; ++i) {
      const FoldState state = fold_.take();
      stretch_.select(i);
      for (int64_t q = 0; q < stretch_.n; ++q) state.max[q] = -HUGE_VALF;
      for (int64_t page = stretch_.first_page; page < stretch_.end_page; ++page) {
        pages.scores(page);
      }
      for (int64_t q = stretch_.seen_begin; q < stretch_.seen_end; ++q) {
        softmax(q, state);
        pages.weights(q);
      }
      pages.outputs(state.out);
      fold_.add(state, i);
    }
    const FoldState all = fold_.finish();
    if (part_.node == nullptr) return write(args_, part_, all);
    copy(all, FoldState::at(part_.node));
  }

  // Scores become weights.
  void softmax(int64_t q, FoldState state) {
    const int64_t begin = stretch_.begin[q];
    const int64_t end = stretch_.end[q];
    const int64_t first = begin / 16 * 16;
    float* scores = stretch_.scores + q * kStretch;
    const F unseen = F::set(-HUGE_VALF);
    F greatest = unseen;
    for (int64_t j = first; j < end; j += 16) {
      F s = F::load(scores + j);
      if (begin > j || end < j + 16) {
        s = select_lanes(begin - j, end - j, s, unseen);
        s.store(scores + j);
      }
      greatest = max(greatest, s);
    }
    const float m = reduce_max(greatest);
    F sum = F::zero();
    for (int64_t j = first; j < end; j += 16) {
      const F p = exp(F::load(scores + j) - F::set(m));
      p.store(scores + j);
      sum = sum + p;
    }
    state.max[q] = m;
    state.sum[q] = reduce_add(sum);
  }

  void copy(FoldState from, FoldState to) const {
    for (int64_t q = 0; q < stretch_.n; ++q) {
      to.max[q] = from.max[q];
      to.sum[q] = from.sum[q];
    }
    for (int64_t i = 0; i < stretch_.n * stretch_.width; i += 16) {
      F::load(from.out + i).store(to.out + i);
    }
  }

  static void write(const AttentionArgs& args, const AttentionPart& part, FoldState all) {
    const int64_t head_dim = args.cache.head_dim;
    const int64_t width = padded_head(head_dim);
    for (int64_t i = 0; i < part.n_rows * part.n_heads; ++i) {
      const int64_t row = part.sequence->first_row + part.row + i / part.n_heads;
      float* y = args.y + row * args.y_stride + (part.head + i % part.n_heads) * head_dim;
      const F total = F::set(all.sum[i]);
      for (int64_t d = 0; d < head_dim; d += 16) {
        (F::load(all.out + i * width + d) / total).store(y + d, head_dim - d);
      }
    }
  }

  const AttentionArgs& args_;
  const AttentionPart& part_;
  Stretch stretch_;
  StretchFold<F> fold_;
};

}  // namespace autoglm
