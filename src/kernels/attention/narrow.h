// Floats as bf16, many at a time: F only makes the code of each instruction set its own.
#pragma once

#include <bit>
#include <cstdint>

namespace autoglm {

// As f32_to_bf16() rounds them, without a branch, so that the compiler takes a vector at a time.
template <class F>
void narrow_to_bf16(const float* x, int64_t n, uint16_t* out) {
  for (int64_t i = 0; i < n; ++i) {
    const auto bits = std::bit_cast<uint32_t>(x[i]);
    const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    const uint32_t quiet = (bits >> 16) | 0x40u;
    const bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
    out[i] = static_cast<uint16_t>(is_nan ? quiet : rounded);
  }
}

}  // namespace autoglm
