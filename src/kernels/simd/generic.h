// Sixteen floats in plain C++: the vector type that the bodies of element-wise kernels are written
// on, and the definition of what avx2.h and avx512.h must compute bit for bit. fma() is one
// rounding.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "kernels/simd/half.h"

namespace autoglm::generic {
namespace {

// Sixteen pairs of 16-bit numbers, and sixteen 32-bit sums of products of such pairs.
struct Pairs {
  int16_t v[32];

  static Pairs load_i8(const int8_t* p) {
    Pairs r;
    for (int i = 0; i < 32; ++i) r.v[i] = p[i];
    return r;
  }
  // The same pair sixteen times.
  static Pairs set(const int16_t* pair) {
    Pairs r;
    for (int i = 0; i < 32; ++i) r.v[i] = pair[i % 2];
    return r;
  }
};
struct Sums {
  int32_t v[16];

  static Sums zero() { return {}; }
  void add(Pairs a, Pairs b) {
    for (int i = 0; i < 16; ++i) {
      v[i] += int32_t{a.v[2 * i]} * b.v[2 * i] + int32_t{a.v[2 * i + 1]} * b.v[2 * i + 1];
    }
  }
};

struct F32 {
  using Pairs = generic::Pairs;
  using Sums = generic::Sums;

  float v[16];

  static F32 set(float x) {
    F32 r;
    for (float& lane : r.v) lane = x;
    return r;
  }
  static F32 zero() { return set(0); }
  static F32 load(const float* p) {
    F32 r;
    for (int i = 0; i < 16; ++i) r.v[i] = p[i];
    return r;
  }
  // The first n lanes; the rest are 0.
  static F32 load(const float* p, int64_t n) {
    F32 r = zero();
    for (int i = 0; i < 16 && i < n; ++i) r.v[i] = p[i];
    return r;
  }
  static F32 load_bf16(const uint16_t* p) {
    F32 r;
    for (int i = 0; i < 16; ++i) r.v[i] = bf16_to_f32(p[i]);
    return r;
  }
  static F32 load_f16(const uint16_t* p) {
    F32 r;
    for (int i = 0; i < 16; ++i) r.v[i] = f16_to_f32(p[i]);
    return r;
  }
  static F32 from_i32(const int32_t* p) {
    F32 r;
    for (int i = 0; i < 16; ++i) r.v[i] = static_cast<float>(p[i]);
    return r;
  }
  static F32 from(Sums sums) { return from_i32(sums.v); }

  void store(float* p) const {
    for (int i = 0; i < 16; ++i) p[i] = v[i];
  }
  void store(float* p, int64_t n) const {
    for (int i = 0; i < 16 && i < n; ++i) p[i] = v[i];
  }
  // The lanes are whole numbers in [-32768, 32767].
  void store_i16(int16_t* p) const {
    for (int i = 0; i < 16; ++i) p[i] = static_cast<int16_t>(v[i]);
  }
  // The lanes are whole numbers in [-128, 127].
  void store_i8(int8_t* p) const {
    for (int i = 0; i < 16; ++i) p[i] = static_cast<int8_t>(v[i]);
  }
};

template <class Operation>
F32 each(F32 a, F32 b, Operation operation) {
  F32 r;
  for (int i = 0; i < 16; ++i) r.v[i] = operation(a.v[i], b.v[i]);
  return r;
}

inline F32 operator+(F32 a, F32 b) {
  return each(a, b, [](float x, float y) { return x + y; });
}
inline F32 operator-(F32 a, F32 b) {
  return each(a, b, [](float x, float y) { return x - y; });
}
inline F32 operator*(F32 a, F32 b) {
  return each(a, b, [](float x, float y) { return x * y; });
}
inline F32 operator/(F32 a, F32 b) {
  return each(a, b, [](float x, float y) { return x / y; });
}
// y where either is not-a-number, as the instruction does it.
inline F32 max(F32 a, F32 b) {
  return each(a, b, [](float x, float y) { return x > y ? x : y; });
}
inline F32 min(F32 a, F32 b) {
  return each(a, b, [](float x, float y) { return x < y ? x : y; });
}
// max(a, |b|) by bit pattern: infinity and not-a-number are greater than every number and stay.
inline F32 max_abs_bits(F32 a, F32 b) {
  return each(a, b, [](float x, float y) {
    const auto magnitude = static_cast<int32_t>(std::bit_cast<uint32_t>(y) & 0x7fffffffu);
    return std::bit_cast<int32_t>(x) > magnitude ? x : std::bit_cast<float>(magnitude);
  });
}
// a * b + c and c - a * b, rounded once.
inline F32 fma(F32 a, F32 b, F32 c) {
  F32 r;
  for (int i = 0; i < 16; ++i) r.v[i] = std::fma(a.v[i], b.v[i], c.v[i]);
  return r;
}
inline F32 fnma(F32 a, F32 b, F32 c) {
  F32 r;
  for (int i = 0; i < 16; ++i) r.v[i] = std::fma(-a.v[i], b.v[i], c.v[i]);
  return r;
}
// 2^n for whole n in [-126, 127]; 1 for not-a-number.
inline F32 power_of_two(F32 n) {
  F32 r;
  for (int i = 0; i < 16; ++i) {
    const int32_t exponent = std::isnan(n.v[i]) ? 0 : static_cast<int32_t>(n.v[i]);
    r.v[i] = std::bit_cast<float>(static_cast<uint32_t>(exponent + 127) << 23);
  }
  return r;
}
// Lanes [begin, end) of a, the others of b.
inline F32 select_lanes(int64_t begin, int64_t end, F32 a, F32 b) {
  for (int i = 0; i < 16; ++i) {
    if (i >= begin && i < end) b.v[i] = a.v[i];
  }
  return b;
}
// Lanes where x < limit are 0, the others those of a.
inline F32 zero_where_less(F32 x, F32 limit, F32 a) {
  for (int i = 0; i < 16; ++i) {
    if (x.v[i] < limit.v[i]) a.v[i] = 0;
  }
  return a;
}
// Sylvester's Hadamard transform of the lanes, not scaled: strides 1, 2, 4, 8.
inline F32 hadamard16(F32 a) {
  for (int stride = 1; stride < 16; stride *= 2) {
    for (int i = 0; i < 16; ++i) {
      if ((i & stride) != 0) continue;
      const float x = a.v[i];
      const float y = a.v[i + stride];
      a.v[i] = x + y;
      a.v[i + stride] = x - y;
    }
  }
  return a;
}
// Lane i with lane i + 8, then + 4, + 2, + 1: the one order in which lanes are ever joined.
template <class Operation>
float join(F32 a, Operation operation) {
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) a.v[i] = operation(a.v[i], a.v[i + width]);
  }
  return a.v[0];
}
inline float reduce_add(F32 a) {
  return join(a, [](float x, float y) { return x + y; });
}
inline float reduce_max(F32 a) {
  return join(a, [](float x, float y) { return x > y ? x : y; });
}
inline float reduce_max_bits(F32 a) {
  return join(a, [](float x, float y) {
    return std::bit_cast<int32_t>(x) > std::bit_cast<int32_t>(y) ? x : y;
  });
}

}  // namespace
}  // namespace autoglm::generic
