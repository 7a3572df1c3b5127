// The choice of progressive codes for one group of 32, 64 or 128 weights, on a vector type F of
// sixteen lanes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

#include "kernels/linear/progressive.h"
#include "kernels/simd/math.h"

namespace autoglm {

// kParts times 32 columns.
template <class F, int kBits, int kParts>
class GroupChoice {
 public:
  // `x`: the group's weights over the channel's scale, in [-127, 127]. Tries the scales around span
  // / largest code, each with its offset moved to the mean of what the codes leave, and keeps the
  // least squared error.
  static void choose(const float* x, ProgressiveGroup* alike) {
    GroupChoice choice(x);
    choice.search();
    for (int part = 0; part < kParts; ++part) {
      int8_t codes[32];
      choice.code(choice.low_[part], choice.scale_, choice.offset_).store_i8(codes);
      choice.code(choice.high_[part], choice.scale_, choice.offset_).store_i8(codes + 16);
      ProgressiveGroup& group = alike[part];
      group.scale = static_cast<uint8_t>(choice.scale_);
      group.offset = static_cast<int8_t>(choice.offset_);
      for (int i = 0; i < 32; ++i) group.codes[i] = static_cast<uint8_t>(codes[i]);
    }
  }

 private:
  static constexpr Progressive kForm{.bits = kBits, .group_size = 32 * kParts};
  static constexpr auto kMaxScale = static_cast<float>(kForm.largest_scale());
  static constexpr auto kMaxCode = static_cast<float>(kForm.largest_code());
  // A narrower scale clips the extremes and codes the rest finer: the fewer codes, the more that is
  // worth. For 4 and 5 bits scales below 0.75 of the whole span hardly ever won.
  static constexpr float kNarrowest = kBits >= 4 ? 0.75f : kBits == 3 ? 0.6f : 0.45f;
  // Of 4 and 5 bits there are at most 5 scales to try; of fewer bits, whose scales are larger,
  // about 6.
  static constexpr float kSteps = kBits >= 4 ? 20 : 10;

  explicit GroupChoice(const float* x) {
    for (int part = 0; part < kParts; ++part) {
      low_[part] = F::load(x + part * 32);
      high_[part] = F::load(x + part * 32 + 16);
    }
  }

  void search() {
    F most = max(low_[0], high_[0]);
    F least_of = max(F::zero() - low_[0], F::zero() - high_[0]);
    for (int part = 1; part < kParts; ++part) {
      most = max(most, max(low_[part], high_[part]));
      least_of = max(least_of, max(F::zero() - low_[part], F::zero() - high_[part]));
    }
    const float greatest = reduce_max(most);
    const float least = -reduce_max(least_of);
    const float ideal = (greatest - least) / kMaxCode;
    const float middle = 0.5f * (greatest + least);
    const float widest = ideal < 1 ? 1.0f : ideal > kMaxScale ? kMaxScale : std::ceil(ideal);
    const float narrow = std::min(widest, std::floor(ideal * kNarrowest));
    const float wide_step = std::floor(ideal / kSteps);
    const float step = wide_step < 1 ? 1.0f : wide_step;
    float error = HUGE_VALF;
    for (float scale = narrow < 1 ? 1.0f : narrow; scale <= widest; scale += step) {
      float offset = allowed_offset(middle - 0.5f * kMaxCode * scale, scale);
      for (int round = 0; round < 2; ++round) {
        F all_squares = F::zero();
        F rests = F::zero();
        for (int part = 0; part < kParts; ++part) {
          const F low_rest = fnma(F::set(scale), code(low_[part], scale, offset), low_[part]);
          const F high_rest = fnma(F::set(scale), code(high_[part], scale, offset), high_[part]);
          const F low_error = low_rest - F::set(offset);
          const F high_error = high_rest - F::set(offset);
          const F both = fma(low_error, low_error, high_error * high_error);
          all_squares = part == 0 ? both : all_squares + both;
          rests = part == 0 ? low_rest + high_rest : rests + (low_rest + high_rest);
        }
        const float squares = reduce_add(all_squares);
        if (squares < error) {
          error = squares;
          scale_ = scale;
          offset_ = offset;
        }
        const float moved = allowed_offset(reduce_add(rests) / (32.0f * kParts), scale);
        if (moved == offset) break;
        offset = moved;
      }
    }
  }

  static F code(F x, float scale, float offset) {
    const F whole = round_even((x - F::set(offset)) / F::set(scale));
    return min(F::set(kMaxCode), max(F::zero(), whole));
  }

  // Offsets for which both ends of the bracket are in [-127, 127].
  static float allowed_offset(float offset, float scale) {
    const float whole = (offset + 12582912.0f) - 12582912.0f;
    const float highest = 127.0f - kMaxCode * scale;
    return whole < -127.0f ? -127.0f : whole > highest ? highest : whole;
  }

  F low_[kParts], high_[kParts];
  float scale_ = 1;
  float offset_ = 0;
};

template <class F, int kBits>
void choose_group_of(const float* x, std::span<ProgressiveGroup> alike) {
  switch (alike.size()) {
    case 1: return GroupChoice<F, kBits, 1>::choose(x, alike.data());
    case 2: return GroupChoice<F, kBits, 2>::choose(x, alike.data());
    case 3: return GroupChoice<F, kBits, 3>::choose(x, alike.data());
    default: return GroupChoice<F, kBits, 4>::choose(x, alike.data());
  }
}

template <class F>
void choose_group(const float* x, int bits, std::span<ProgressiveGroup> alike) {
  switch (bits) {
    case 2: return choose_group_of<F, 2>(x, alike);
    case 3: return choose_group_of<F, 3>(x, alike);
    case 5: return choose_group_of<F, 5>(x, alike);
    default: return choose_group_of<F, 4>(x, alike);
  }
}

}  // namespace autoglm
