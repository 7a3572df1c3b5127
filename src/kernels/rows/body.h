// The bodies of the row kernels, written once on a vector type F of sixteen lanes and compiled for
// each.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "kernels/rows/group_body.h"
#include "kernels/rows/rotation_body.h"
#include "kernels/rows/row_kernels.h"
#include "kernels/simd/math.h"

namespace autoglm {

template <class F>
struct RowBody {
  static void norm(const NormRow& a) {
    F squares = F::zero();
    for (int64_t i = 0; i < a.n; i += 16) {
      const F x = F::load(a.x + i, a.n - i);
      squares = fma(x, x, squares);
    }
    const float mean = reduce_add(squares) / static_cast<float>(a.n);
    const F factor = F::set(1.0f / std::sqrt(mean + a.eps));
    for (int64_t i = 0; i < a.n; i += 16) {
      const int64_t left = a.n - i;
      F y = F::load(a.x + i, left) * factor;
      if (a.weight != nullptr) y = y * F::load(a.weight + i, left);
      if (a.residual != nullptr) y = F::load(a.residual + i, left) + y;
      y.store(a.y + i, left);
    }
  }

  static void layer_norm(const LayerNormRow& a) {
    F sum = F::zero();
    for (int64_t i = 0; i < a.n; i += 16) sum = sum + F::load(a.x + i, a.n - i);
    const F mean = F::set(reduce_add(sum) / static_cast<float>(a.n));
    F squares = F::zero();
    for (int64_t i = 0; i < a.n; i += 16) {
      const int64_t left = a.n - i;
      F difference = F::load(a.x + i, left) - mean;
      if (left < 16) difference = select_lanes(0, left, difference, F::zero());
      squares = fma(difference, difference, squares);
    }
    const float variance = reduce_add(squares) / static_cast<float>(a.n);
    const F factor = F::set(1.0f / std::sqrt(variance + a.eps));
    for (int64_t i = 0; i < a.n; i += 16) {
      const int64_t left = a.n - i;
      const F normed = (F::load(a.x + i, left) - mean) * factor;
      fma(normed, F::load(a.weight + i, left), F::load(a.bias + i, left)).store(a.y + i, left);
    }
  }

  static void quantize(const QuantizeRow& a) {
    F largest = F::zero();
    for (int64_t i = 0; i < a.k; i += 16)
      largest = max_abs_bits(largest, F::load(a.x + i, a.k - i));
    const float peak = reduce_max_bits(largest);
    const float inverse = 127.0f / peak;
    // Zero, infinite, not a number, or so small that 127 / peak overflows: no code stands for it.
    const bool usable = peak > 0 && peak < HUGE_VALF && inverse < HUGE_VALF;
    *a.scale = usable ? peak / 127.0f : peak < HUGE_VALF ? 0.0f : NAN;
    const F factor = F::set(inverse);
    const int64_t padded = (a.k + 63) / 64 * 64;
    int32_t total = 0;
    for (int64_t i = 0; i < padded; i += 32) {
      F low = F::zero();
      F high = F::zero();
      if (usable && i < a.k) {
        low = round_even(F::load(a.x + i, a.k - i) * factor);
        high = a.k - i > 16 ? round_even(F::load(a.x + i + 16, a.k - i - 16) * factor) : F::zero();
      }
      int8_t* values = a.values + i / 64 * a.block_stride + i % 64;
      low.store_i8(values);
      high.store_i8(values + 16);
      // Whole numbers up to 32 * 127: floats add them exactly.
      const auto sum = static_cast<int32_t>(reduce_add(low + high));
      a.group_sums[i / 32] = static_cast<int16_t>(sum);
      total += sum;
    }
    *a.sum = total;
  }

  // The size of what is usual in a row, however many numbers stand out: over sets of up to 32
  // columns that lie 16 apart, which take no sums across a vector, the lower quartile of the size
  // of all but a set's largest. HUGE_VALF where nothing has a size.
  static float usual_size(const float* x, int64_t k) {
    constexpr int64_t kSet = 32;
    constexpr int64_t kMaxSets = QuantizeGroups::kMaxGroups;
    const int64_t vectors = (k + 15) / 16;
    const int64_t spans = (vectors + kSet - 1) / kSet;
    alignas(64) float rests[kMaxSets + 16];  // mean squares
    for (int64_t span = 0; span < spans; ++span) {
      const int64_t begin = vectors * span / spans;
      const int64_t end = vectors * (span + 1) / spans;
      F largest = F::zero();
      F squares = F::zero();
      for (int64_t i = begin * 16; i < end * 16; i += 16) {
        const F v = F::load(x + i, k - i);
        largest = max_abs_bits(largest, v);
        squares = fma(v, v, squares);
      }
      const float rest = end - begin > 1 ? 1.0f / static_cast<float>(end - begin - 1) : 0.0f;
      (fnma(largest, largest, squares) * F::set(rest)).store(rests + span * 16);
    }
    float* sizes_end = rests + spans * 16;
    // Sets of zeros but for one, or with not-a-number, have none.
    sizes_end = std::remove_if(rests, sizes_end, [](float r) { return !(r > 0); });
    if (sizes_end == rests) return HUGE_VALF;
    float* quartile = rests + (sizes_end - rests - 1) / 4;
    std::nth_element(rests, quartile, sizes_end);
    return std::sqrt(*quartile);
  }

  // Codes of 32 columns, and their sum.
  static int16_t round_group(F low, F high, float factor, int8_t* values) {
    low = round_even(low * F::set(factor));
    high = round_even(high * F::set(factor));
    low.store_i8(values);
    high.store_i8(values + 16);
    // Whole numbers up to 32 * 127: floats add them exactly.
    return static_cast<int16_t>(reduce_add(low + high));
  }

  // Moves what is larger than `limit` from 32 columns, the first of which is `column`, behind the
  // `n` outliers that stand there. False when there is no room.
  static bool take_outliers(const QuantizeGroups& a, int64_t column, float limit, F& low, F& high,
                            int32_t& n) {
    alignas(64) float x[32];
    low.store(x);
    high.store(x + 16);
    for (int i = 0; i < 32; ++i) {
      if (!(std::fabs(x[i]) > limit)) continue;
      if (n == a.max_outliers) return false;
      a.outliers[n++] = {static_cast<int32_t>(column + i), std::exchange(x[i], 0.0f)};
    }
    low = F::load(x);
    high = F::load(x + 16);
    return true;
  }

  static float peak_of(F low, F high) {
    return reduce_max_bits(max_abs_bits(max_abs_bits(F::zero(), low), high));
  }

  // False when more stand out than there is room for.
  static bool quantize_groups(const QuantizeGroups& a, float limit) {
    const int64_t padded = (a.k + 63) / 64 * 64;
    *a.n_outliers = 0;
    for (int64_t i = 0, g = 0; i < padded; i += 32, ++g) {
      F low = i < a.k ? F::load(a.x + i, a.k - i) : F::zero();
      F high = i + 16 < a.k ? F::load(a.x + i + 16, a.k - i - 16) : F::zero();
      float peak = peak_of(low, high);
      if (peak > limit && peak < HUGE_VALF) {
        if (!take_outliers(a, i, limit, low, high, *a.n_outliers)) return false;
        peak = peak_of(low, high);
      }
      const float inverse = 127.0f / peak;
      const bool usable = peak > 0 && peak < HUGE_VALF && inverse < HUGE_VALF;
      a.scales[g] = usable ? peak / 127.0f : peak < HUGE_VALF ? 0.0f : NAN;
      a.sums[g] = round_group(usable ? low : F::zero(), usable ? high : F::zero(),
                              usable ? inverse : 0.0f, a.values + i);
    }
    return true;
  }

  static void quantize_groups(const QuantizeGroups& a) {
    // A limit of HUGE_VALF keeps nothing apart.
    float limit = QuantizeGroups::kOutlierFactor * usual_size(a.x, a.k);
    while (!quantize_groups(a, limit)) limit *= 2;
  }

  static void rotate_half_split(const RotateHead& a) {
    for (int64_t i = 0; i < a.half; i += 16) {
      const int64_t left = a.half - i;
      const F cos = F::load(a.cos + i, left);
      const F sin = F::load(a.sin + i, left);
      const F x = F::load(a.x + i, left);
      const F y = F::load(a.x + a.half + i, left);
      fnma(y, sin, x * cos).store(a.x + i, left);
      fma(x, sin, y * cos).store(a.x + a.half + i, left);
    }
  }

  static void rotate_interleaved(const RotateHead& a) {
    for (int64_t i = 0; i < a.half; ++i) {
      const float x = a.x[2 * i];
      const float y = a.x[2 * i + 1];
      a.x[2 * i] = std::fma(-y, a.sin[i], x * a.cos[i]);
      a.x[2 * i + 1] = std::fma(x, a.sin[i], y * a.cos[i]);
    }
  }

  static void add(const float* a, const float* b, float* y, int64_t n) {
    for (int64_t i = 0; i < n; i += 16) {
      (F::load(a + i, n - i) + F::load(b + i, n - i)).store(y + i, n - i);
    }
  }

  static void swiglu(const float* a, const float* b, float* y, int64_t n) {
    for (int64_t i = 0; i < n; i += 16) {
      (silu(F::load(a + i, n - i)) * F::load(b + i, n - i)).store(y + i, n - i);
    }
  }

  static void scale(const float* x, float factor, float* y, int64_t n) {
    for (int64_t i = 0; i < n; i += 16) {
      (F::load(x + i, n - i) * F::set(factor)).store(y + i, n - i);
    }
  }

  static void gelu(const float* x, float* y, int64_t n) {
    for (int64_t i = 0; i < n; i += 16) {
      ::autoglm::gelu(F::load(x + i, n - i)).store(y + i, n - i);
    }
  }

  static void tanh(const float* x, float* y, int64_t n) {
    for (int64_t i = 0; i < n; i += 16) {
      ::autoglm::tanh(F::load(x + i, n - i)).store(y + i, n - i);
    }
  }

  static void add_scaled(const float* x, float factor, float* y, int64_t n) {
    const F scale = F::set(factor);
    for (int64_t i = 0; i < n; i += 16) {
      fma(F::load(x + i, n - i), scale, F::load(y + i, n - i)).store(y + i, n - i);
    }
  }

  static void exponential(const float* x, float* y, int64_t n) {
    for (int64_t i = 0; i < n; i += 16) exp(F::load(x + i, n - i)).store(y + i, n - i);
  }

  static constexpr RowKernels kTable = {
      .norm = norm,
      .layer_norm = layer_norm,
      .quantize = quantize,
      .quantize_groups = quantize_groups,
      .rotate_input = RotationBody<F>::rotate,
      .rotate_input_back = RotationBody<F>::rotate_back,
      .rotate_half_split = rotate_half_split,
      .rotate_interleaved = rotate_interleaved,
      .add = add,
      .swiglu = swiglu,
      .scale = scale,
      .gelu = gelu,
      .tanh = tanh,
      .add_scaled = add_scaled,
      .choose_group = ::autoglm::choose_group<F>,
      .exp = exponential,
  };
};

}  // namespace autoglm
