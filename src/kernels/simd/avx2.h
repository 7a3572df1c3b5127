// Sixteen floats in two AVX2 registers; what each operation means is in generic.h.
#pragma once

#ifdef __AVX2__
#include <immintrin.h>

#include <cstdint>

namespace autoglm::avx2 {
namespace {

// Lanes [0, n) of eight, as a mask.
inline __m256i first_lanes(int64_t n) {
  const int clamped = n < 0 ? 0 : n > 8 ? 8 : static_cast<int>(n);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(clamped), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

struct Pairs {
  __m256i lo, hi;

  static Pairs load_i8(const int8_t* p) {
    return {_mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
            _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 16)))};
  }
  static Pairs set(const int16_t* pair) {
    int32_t both;
    __builtin_memcpy(&both, pair, sizeof both);
    return {_mm256_set1_epi32(both), _mm256_set1_epi32(both)};
  }
};
struct Sums {
  __m256i lo, hi;

  static Sums zero() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
  void add(Pairs a, Pairs b) {
    lo = _mm256_add_epi32(lo, _mm256_madd_epi16(a.lo, b.lo));
    hi = _mm256_add_epi32(hi, _mm256_madd_epi16(a.hi, b.hi));
  }
};

struct F32 {
  using Pairs = avx2::Pairs;
  using Sums = avx2::Sums;

  __m256 lo, hi;

  static F32 set(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static F32 zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static F32 load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static F32 load(const float* p, int64_t n) {
    if (n >= 16) return load(p);
    const __m256 lo = _mm256_maskload_ps(p, first_lanes(n));
    return {lo, n > 8 ? _mm256_maskload_ps(p + 8, first_lanes(n - 8)) : _mm256_setzero_ps()};
  }
  static __m256 widen_bf16(const uint16_t* p) {
    const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
  }
  static F32 load_bf16(const uint16_t* p) { return {widen_bf16(p), widen_bf16(p + 8)}; }
  // Sixteen pairs of neighbours: the first of each, and the second.
  static void load_bf16_pairs(const uint16_t* p, F32* first, F32* second) {
    const auto* q = reinterpret_cast<const __m256i*>(p);
    const __m256i lo = _mm256_loadu_si256(q);
    const __m256i hi = _mm256_loadu_si256(q + 1);
    const __m256i upper_half = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
    *first = {_mm256_castsi256_ps(_mm256_slli_epi32(lo, 16)),
              _mm256_castsi256_ps(_mm256_slli_epi32(hi, 16))};
    *second = {_mm256_castsi256_ps(_mm256_and_si256(lo, upper_half)),
               _mm256_castsi256_ps(_mm256_and_si256(hi, upper_half))};
  }
  static F32 load_f16(const uint16_t* p) {
    return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
            _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8)))};
  }
  static F32 from_i32(const int32_t* p) {
    const auto* q = reinterpret_cast<const __m256i*>(p);
    return {_mm256_cvtepi32_ps(_mm256_loadu_si256(q)),
            _mm256_cvtepi32_ps(_mm256_loadu_si256(q + 1))};
  }

  static F32 from(Sums sums) { return {_mm256_cvtepi32_ps(sums.lo), _mm256_cvtepi32_ps(sums.hi)}; }

  void store(float* p) const {
    _mm256_storeu_ps(p, lo);
    _mm256_storeu_ps(p + 8, hi);
  }
  void store(float* p, int64_t n) const {
    if (n >= 16) return store(p);
    _mm256_maskstore_ps(p, first_lanes(n), lo);
    if (n > 8) _mm256_maskstore_ps(p + 8, first_lanes(n - 8), hi);
  }
  __m256i words() const {
    return _mm256_permute4x64_epi64(
        _mm256_packs_epi32(_mm256_cvtps_epi32(lo), _mm256_cvtps_epi32(hi)), 0xd8);
  }
  void store_i16(int16_t* p) const { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), words()); }
  void store_i8(int8_t* p) const {
    const __m256i in_order = words();
    const __m128i bytes =
        _mm_packs_epi16(_mm256_castsi256_si128(in_order), _mm256_extracti128_si256(in_order, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
  }
};

inline F32 operator+(F32 a, F32 b) {
  return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}
inline F32 operator-(F32 a, F32 b) {
  return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}
inline F32 operator*(F32 a, F32 b) {
  return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}
inline F32 operator/(F32 a, F32 b) {
  return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
}
inline F32 max(F32 a, F32 b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
inline F32 min(F32 a, F32 b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
inline __m256 max_bits(__m256 a, __m256 b) {
  return _mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b)));
}
inline F32 max_abs_bits(F32 a, F32 b) {
  const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  return {max_bits(a.lo, _mm256_and_ps(b.lo, magnitude)),
          max_bits(a.hi, _mm256_and_ps(b.hi, magnitude))};
}
inline F32 fma(F32 a, F32 b, F32 c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
inline F32 fnma(F32 a, F32 b, F32 c) {
  return {_mm256_fnmadd_ps(a.lo, b.lo, c.lo), _mm256_fnmadd_ps(a.hi, b.hi, c.hi)};
}
inline __m256 power_of_two(__m256 n) {
  const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
}
inline F32 power_of_two(F32 n) { return {power_of_two(n.lo), power_of_two(n.hi)}; }
inline __m256 select_eight(int64_t begin, int64_t end, __m256 a, __m256 b) {
  const __m256i mask = _mm256_andnot_si256(first_lanes(begin), first_lanes(end));
  return _mm256_blendv_ps(b, a, _mm256_castsi256_ps(mask));
}
inline F32 select_lanes(int64_t begin, int64_t end, F32 a, F32 b) {
  return {select_eight(begin, end, a.lo, b.lo), select_eight(begin - 8, end - 8, a.hi, b.hi)};
}
inline F32 zero_where_less(F32 x, F32 limit, F32 a) {
  return {_mm256_andnot_ps(_mm256_cmp_ps(x.lo, limit.lo, _CMP_LT_OQ), a.lo),
          _mm256_andnot_ps(_mm256_cmp_ps(x.hi, limit.hi, _CMP_LT_OQ), a.hi)};
}
// Lanes of `a` with their partners in `swapped`: sums in the lower of two lanes, differences in the
// upper.
inline __m256 sums_and_differences(__m256 a, __m256 swapped, __m256 upper) {
  return _mm256_add_ps(swapped, _mm256_xor_ps(a, upper));
}
inline __m256 hadamard8(__m256 a) {
  const float n = -0.0f;
  a = sums_and_differences(a, _mm256_permute_ps(a, 0xb1), _mm256_setr_ps(0, n, 0, n, 0, n, 0, n));
  a = sums_and_differences(a, _mm256_permute_ps(a, 0x4e), _mm256_setr_ps(0, 0, n, n, 0, 0, n, n));
  return sums_and_differences(a, _mm256_permute2f128_ps(a, a, 1),
                              _mm256_setr_ps(0, 0, 0, 0, n, n, n, n));
}
inline F32 hadamard16(F32 a) {
  const __m256 lo = hadamard8(a.lo);
  const __m256 hi = hadamard8(a.hi);
  return {_mm256_add_ps(lo, hi), _mm256_sub_ps(lo, hi)};
}
inline float reduce_add(F32 a) {
  const __m256 eight = _mm256_add_ps(a.lo, a.hi);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float reduce_max(F32 a) {
  const __m256 eight = _mm256_max_ps(a.lo, a.hi);
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
inline float reduce_max_bits(F32 a) {
  const __m256i eight = _mm256_max_epi32(_mm256_castps_si256(a.lo), _mm256_castps_si256(a.hi));
  const __m128i four =
      _mm_max_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  const __m128i two = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x0e));
  return _mm_cvtss_f32(_mm_castsi128_ps(_mm_max_epi32(two, _mm_shuffle_epi32(two, 0x01))));
}

}  // namespace
}  // namespace autoglm::avx2
#endif
