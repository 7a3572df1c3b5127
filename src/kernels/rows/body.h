// The bodies of the row kernels, written once on a vector type F of sixteen lanes and compiled for
// each.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

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
      F x = F::load(a.x + i, a.n - i);
      if (a.add != nullptr) x = x + F::load(a.add + i, a.n - i);
      if (a.sum != nullptr) x.store(a.sum + i, a.n - i);
      squares = fma(x, x, squares);
    }
    const float mean = reduce_add(squares) / static_cast<float>(a.n);
    const F factor = F::set(1.0f / std::sqrt(mean + a.eps));
    // The sum is read back only where it was kept: x may be the same memory as sum.
    const float* first = a.sum != nullptr ? a.sum : a.x;
    const float* second = a.sum != nullptr ? nullptr : a.add;
    for (int64_t i = 0; i < a.n; i += 16) {
      const int64_t left = a.n - i;
      F x = F::load(first + i, left);
      if (second != nullptr) x = x + F::load(second + i, left);
      F y = x * factor;
      if (a.weight != nullptr) y = y * F::load(a.weight + i, left);
      if (a.residual != nullptr) y = F::load(a.residual + i, left) + y;
      y.store(a.y + i, left);
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

  // What a quarter of the groups do not exceed: what is usual in the row, however many stand out.
  // Reorders them.
  static float lower_quartile(float* values, int64_t groups) {
    float* quartile = values + (groups - 1) / 4;
    // Not-a-number has no place in an order: such a row is lost anyway.
    std::replace_if(
        values, values + groups, [](float x) { return !(x >= 0); }, 0.0f);
    std::nth_element(values, quartile, values + groups);
    return *quartile;
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

  static void quantize_groups(const QuantizeGroups& a) {
    const int64_t padded = (a.k + 63) / 64 * 64;
    const int64_t groups = (a.k + 31) / 32;
    const auto at = [&](int64_t i) { return i < a.k ? F::load(a.x + i, a.k - i) : F::zero(); };
    float rests[QuantizeGroups::kMaxGroups];  // of each group, its squares but for the largest
    for (int64_t i = 0, g = 0; i < padded; i += 32, ++g) {
      const F low = at(i);
      const F high = at(i + 16);
      const float peak = reduce_max_bits(max_abs_bits(max_abs_bits(F::zero(), low), high));
      const float inverse = 127.0f / peak;
      const bool usable = peak > 0 && peak < HUGE_VALF && inverse < HUGE_VALF;
      a.scales[g] = usable ? peak / 127.0f : peak < HUGE_VALF ? 0.0f : NAN;
      a.sums[g] = round_group(usable ? low : F::zero(), usable ? high : F::zero(),
                              usable ? inverse : 0.0f, a.values + i);
      if (g < groups) rests[g] = reduce_add(fma(low, low, high * high)) - peak * peak;
    }
    const float usual = std::sqrt(lower_quartile(rests, groups) / 31.0f) / 127.0f;
    const float limit = QuantizeGroups::kFineFactor * usual;
    for (int64_t i = 0, g = 0; i < padded; i += 32, ++g) {
      const float scale = a.scales[g];
      // A scale of 254 * FLT_MIN and more: the fine one's inverse is a number.
      a.is_fine[g] = scale > limit && scale > 3e-36f ? 1 : 0;
      if (a.is_fine[g] == 0) continue;
      const F unit = F::set(scale);
      const F low = fnma(F::from_i8(a.values + i), unit, at(i));
      const F high = fnma(F::from_i8(a.values + i + 16), unit, at(i + 16));
      const float inverse = 254.0f / scale;
      // Rounding of the inverse may carry half a step beyond 127.
      const F most = F::set(127.0f / inverse);
      const F least = F::zero() - most;
      a.fine_sums[g] = round_group(min(most, max(least, low)), min(most, max(least, high)), inverse,
                                   a.fine_values + i);
    }
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

  static void exponential(const float* x, float* y, int64_t n) {
    for (int64_t i = 0; i < n; i += 16) exp(F::load(x + i, n - i)).store(y + i, n - i);
  }

  static constexpr RowKernels kTable = {
      .norm = norm,
      .quantize = quantize,
      .quantize_groups = quantize_groups,
      .rotate_input = RotationBody<F>::rotate,
      .rotate_input_back = RotationBody<F>::rotate_back,
      .rotate_half_split = rotate_half_split,
      .rotate_interleaved = rotate_interleaved,
      .add = add,
      .swiglu = swiglu,
      .scale = scale,
      .choose_group = ::autoglm::choose_group<F>,
      .exp = exponential,
  };
};

}  // namespace autoglm
