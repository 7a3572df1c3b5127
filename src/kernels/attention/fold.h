// The fold of attention over stretches of keys: how softmax over some keys and softmax over the
// keys after them become one, and the order in which that happens. The order is a tree over the
// stretches' absolute numbers (four neighbours to a node, and four such nodes to the next), so any
// aligned block of stretches can be computed apart, by whichever thread, without changing a bit.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/attention/variants.h"
#include "kernels/simd/math.h"

namespace autoglm {

// Softmax over some of a query's keys, not yet divided by its sum, for up to kMaxQueries queries.
// A maximum of -inf says that the query sees none of those keys; the rest is then undefined.
struct FoldState {
  float* max = nullptr;
  float* sum = nullptr;
  float* out = nullptr;  // [queries, width]

  static FoldState at(float* place) {
    return {place, place + AttentionPart::kMaxQueries, place + 2 * AttentionPart::kMaxQueries};
  }
};

template <class F>
class StretchFold {
 public:
  StretchFold(int64_t n_queries, int64_t width) : n_(n_queries), width_(width) {}

  // A place for the next state. `places` are fold_floats(width) apart, kPlaces of them.
  void own_places(float* places) {
    for (int i = 0; i < kPlaces; ++i) free_[n_free_++] = places + i * fold_floats(width_);
  }
  FoldState take() { return FoldState::at(free_[--n_free_]); }

  // Takes in the state of the block of stretches with this number, greater than those before.
  void add(FoldState state, int64_t index) {
    for (int level = 0;; ++level, index /= kFanOut) {
      FoldState& open = open_[level];
      if (open.max == nullptr) {
        open = state;
      } else {
        merge(open, state);
      }
      if (index % kFanOut != kFanOut - 1) return;
      state = open;
      open = {};
    }
  }

  // The state of all that was added.
  FoldState finish() {
    FoldState all;
    for (FoldState& open : open_) {
      if (open.max == nullptr) continue;
      if (all.max != nullptr) merge(open, all);
      all = open;
    }
    return all;
  }

 private:
  static constexpr int kFanOut = AttentionPart::kFanOut;
  static constexpr int kPlaces = AttentionPart::kFoldPlaces;

  // left = left and right together: with M the greater maximum, each side times exp(max - M).
  void merge(FoldState left, FoldState right) {
    for (int64_t i = 0; i < n_; ++i) {
      if (right.max[i] == -HUGE_VALF) continue;
      const bool copy = left.max[i] == -HUGE_VALF;
      const float greater = left.max[i] > right.max[i] ? left.max[i] : right.max[i];
      const F a = exp(F::set(left.max[i]) - F::set(greater));
      const F b = exp(F::set(right.max[i]) - F::set(greater));
      float* out = left.out + i * width_;
      const float* more = right.out + i * width_;
      for (int64_t d = 0; d < width_; d += 16) {
        const F x = F::load(more + d);
        (copy ? x : fma(x, b, F::load(out + d) * a)).store(out + d);
      }
      float sum[16];
      fma(F::set(right.sum[i]), b, F::set(left.sum[i]) * a).store(sum);
      left.sum[i] = copy ? right.sum[i] : sum[0];
      left.max[i] = greater;
    }
    free_[n_free_++] = right.max;
  }

  const int64_t n_;
  const int64_t width_;
  FoldState open_[AttentionPart::kFoldLevels];
  // join() gives back its nodes, which it never took.
  float* free_[kPlaces + AttentionPart::kMaxNodes];
  int n_free_ = 0;
};

}  // namespace autoglm
