// The passes of variants.h on a vector type F of sixteen lanes, compiled once for each instruction
// set.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/sampling/variants.h"
#include "kernels/simd/math.h"

namespace autoglm {

template <class F>
struct SamplingBody {
  static constexpr int64_t kBlock = 1024;

  static bool scan(const float* x, int64_t n, float* greatest) {
    // -inf becomes the least number; then 0 times anything but a finite number is no number.
    const F least = F::set(-3.4028234663852886e38f);
    F broken = F::zero();
    for (int64_t begin = 0; begin < n; begin += kBlock) {
      const int64_t end = begin + kBlock < n ? begin + kBlock : n;
      F m = F::set(-HUGE_VALF);
      for (int64_t i = begin; i < end; i += 16) {
        F v = F::load(x + i, end - i);
        broken = fma(max(least, v), F::zero(), broken);
        if (end - i < 16) v = select_lanes(0, end - i, v, m);
        m = max(v, m);
      }
      greatest[begin / kBlock] = reduce_max(m);
    }
    return reduce_add(broken) == 0;
  }

  static void weights(const float* x, int64_t n, float shift, float factor, float* w,
                      double* sums) {
    const F offset = F::set(shift);
    const F scale = F::set(factor);
    for (int64_t begin = 0; begin < n; begin += kBlock) {
      const int64_t end = begin + kBlock < n ? begin + kBlock : n;
      F sum = F::zero();
      for (int64_t i = begin; i < end; i += 16) {
        F e = exp((F::load(x + i, end - i) - offset) * scale);
        if (end - i < 16) e = select_lanes(0, end - i, e, F::zero());
        e.store(w + i, end - i);
        sum = sum + e;
      }
      sums[begin / kBlock] = static_cast<double>(reduce_add(sum));
    }
  }

  // Whole numbers: the compiler's own vectors give what plain loops give.
  static int64_t count_above(const float* x, int64_t n, float limit) {
    int32_t count = 0;
    for (int64_t i = 0; i < n; ++i) count += x[i] > limit ? 1 : 0;
    return count;
  }
  static int64_t count_from(const float* x, int64_t n, float limit) {
    int32_t count = 0;
    for (int64_t i = 0; i < n; ++i) count += x[i] >= limit ? 1 : 0;
    return count;
  }

  static constexpr SamplingVariant kTable = {
      .scan = scan, .weights = weights, .count_above = count_above, .count_from = count_from};
};

}  // namespace autoglm
