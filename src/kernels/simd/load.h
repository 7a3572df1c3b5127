// Loads of sixteen stored values as floats, by how they are stored, for any of the vector types.
#pragma once

#include <cstdint>

namespace autoglm {

template <class F>
struct LoadF32 {
  using Stored = float;
  static F load(const float* p) { return F::load(p); }
};
template <class F>
struct LoadBf16 {
  using Stored = uint16_t;
  static F load(const uint16_t* p) { return F::load_bf16(p); }
};
template <class F>
struct LoadF16 {
  using Stored = uint16_t;
  static F load(const uint16_t* p) { return F::load_f16(p); }
};

}  // namespace autoglm
