// The choice of progressive int4 codes for one group of 32 weights, on a vector type F of sixteen
// lanes.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/linear/int4.h"
#include "kernels/simd/math.h"

namespace autoglm {

template <class F>
class Int4Choice {
 public:
  // `x`: the group's weights over the channel's scale, in [-127, 127]. Tries the scales around span
  // / 15, each with its offset moved to the mean of what the codes leave, and keeps the least
  // squared error.
  static void choose(const float* x, Int4Group* group) {
    Int4Choice choice(F::load(x), F::load(x + 16));
    choice.search();
    int8_t codes[32];
    choice.code(choice.low_, choice.scale_, choice.offset_).store_i8(codes);
    choice.code(choice.high_, choice.scale_, choice.offset_).store_i8(codes + 16);
    group->scale = static_cast<uint8_t>(choice.scale_);
    group->offset = static_cast<int8_t>(choice.offset_);
    for (int i = 0; i < 32; ++i) group->codes[i] = static_cast<uint8_t>(codes[i]);
  }

 private:
  static constexpr float kMaxScale = 16;  // 16 * 15 <= 254, the span of int8

  Int4Choice(F low, F high) : low_(low), high_(high) {}

  void search() {
    const float greatest = reduce_max(max(low_, high_));
    const float least = -reduce_max(max(F::zero() - low_, F::zero() - high_));
    const float ideal = (greatest - least) / 15.0f;
    const float middle = 0.5f * (greatest + least);
    const float widest = ideal < 1 ? 1.0f : ideal > kMaxScale ? kMaxScale : std::ceil(ideal);
    // A narrower scale clips the extremes and codes the rest finer; below 0.75 it hardly ever won.
    const float narrow = std::floor(ideal * 0.75f);
    float error = HUGE_VALF;
    for (float scale = narrow < 1 ? 1.0f : narrow; scale <= widest; scale += 1.0f) {
      float offset = allowed_offset(middle - 7.5f * scale, scale);
      for (int step = 0; step < 2; ++step) {
        const F low_rest = fnma(F::set(scale), code(low_, scale, offset), low_);
        const F high_rest = fnma(F::set(scale), code(high_, scale, offset), high_);
        const F low_error = low_rest - F::set(offset);
        const F high_error = high_rest - F::set(offset);
        const float squares = reduce_add(fma(low_error, low_error, high_error * high_error));
        if (squares < error) {
          error = squares;
          scale_ = scale;
          offset_ = offset;
        }
        const float moved = allowed_offset(reduce_add(low_rest + high_rest) / 32.0f, scale);
        if (moved == offset) break;
        offset = moved;
      }
    }
  }

  static F code(F x, float scale, float offset) {
    const F whole = round_even((x - F::set(offset)) / F::set(scale));
    return min(F::set(15.0f), max(F::zero(), whole));
  }

  // Offsets for which scale * 0 + offset and scale * 15 + offset are both in [-127, 127].
  static float allowed_offset(float offset, float scale) {
    const float whole = (offset + 12582912.0f) - 12582912.0f;
    const float highest = 127.0f - 15.0f * scale;
    return whole < -127.0f ? -127.0f : whole > highest ? highest : whole;
  }

  F low_, high_;
  float scale_ = 1;
  float offset_ = 0;
};

}  // namespace autoglm
