// Sixteen floats in one AVX-512 register; what each operation means is in generic.h.
#pragma once

#if defined(__AVX512F__) || defined(AUTOGLM_EMULATED_AVX512)
#ifndef AUTOGLM_EMULATED_AVX512
#include <immintrin.h>
#endif

#include <cstdint>

namespace autoglm::avx512 {
namespace {

// Lanes [0, n) of sixteen, as a mask.
inline __mmask16 first_lanes(int64_t n) {
  const unsigned clamped = n < 0 ? 0u : n > 16 ? 16u : static_cast<unsigned>(n);
  return static_cast<__mmask16>((1u << clamped) - 1u);
}

struct Pairs {
  __m512i v;

  static Pairs load_i8(const int8_t* p) {
    return {_mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  static Pairs set(const int16_t* pair) {
    int32_t both;
    __builtin_memcpy(&both, pair, sizeof both);
    return {_mm512_set1_epi32(both)};
  }
};
struct Sums {
  __m512i v;

  static Sums zero() { return {_mm512_setzero_si512()}; }
  void add(Pairs a, Pairs b) { v = _mm512_dpwssd_epi32(v, a.v, b.v); }
};

struct F32 {
  using Pairs = avx512::Pairs;
  using Sums = avx512::Sums;

  __m512 v;

  static F32 set(float x) { return {_mm512_set1_ps(x)}; }
  static F32 zero() { return {_mm512_setzero_ps()}; }
  static F32 load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static F32 load(const float* p, int64_t n) { return {_mm512_maskz_loadu_ps(first_lanes(n), p)}; }
  static F32 load_bf16(const uint16_t* p) {
    const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16))};
  }
  // Sixteen pairs of neighbours: the first of each, and the second.
  static void load_bf16_pairs(const uint16_t* p, F32* first, F32* second) {
    const __m512i both = _mm512_loadu_si512(p);
    *first = {_mm512_castsi512_ps(_mm512_slli_epi32(both, 16))};
    *second = {_mm512_castsi512_ps(
        _mm512_and_si512(both, _mm512_set1_epi32(static_cast<int>(0xffff0000u))))};
  }
  static F32 load_f16(const uint16_t* p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  static F32 from_i32(const int32_t* p) { return {_mm512_cvtepi32_ps(_mm512_loadu_si512(p))}; }

  static F32 from(Sums sums) { return {_mm512_cvtepi32_ps(sums.v)}; }

  void store(float* p) const { _mm512_storeu_ps(p, v); }
  void store(float* p, int64_t n) const { _mm512_mask_storeu_ps(p, first_lanes(n), v); }
  void store_i16(int16_t* p) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(v)));
  }
  void store_i8(int8_t* p) const {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(v)));
  }
};

inline F32 operator+(F32 a, F32 b) { return {_mm512_add_ps(a.v, b.v)}; }
inline F32 operator-(F32 a, F32 b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline F32 operator*(F32 a, F32 b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline F32 operator/(F32 a, F32 b) { return {_mm512_div_ps(a.v, b.v)}; }
inline F32 max(F32 a, F32 b) { return {_mm512_max_ps(a.v, b.v)}; }
inline F32 min(F32 a, F32 b) { return {_mm512_min_ps(a.v, b.v)}; }
inline F32 max_abs_bits(F32 a, F32 b) {
  const __m512i magnitude =
      _mm512_and_si512(_mm512_castps_si512(b.v), _mm512_set1_epi32(0x7fffffff));
  return {_mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(a.v), magnitude))};
}
inline F32 fma(F32 a, F32 b, F32 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline F32 fnma(F32 a, F32 b, F32 c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }
inline F32 power_of_two(F32 n) {
  const __m512i biased = _mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(biased, 23))};
}
inline F32 select_lanes(int64_t begin, int64_t end, F32 a, F32 b) {
  const auto mask = static_cast<__mmask16>(first_lanes(end) & ~first_lanes(begin));
  return {_mm512_mask_blend_ps(mask, b.v, a.v)};
}
inline F32 zero_where_less(F32 x, F32 limit, F32 a) {
  const __mmask16 less = _mm512_cmp_ps_mask(x.v, limit.v, _CMP_LT_OQ);
  return {_mm512_mask_blend_ps(less, a.v, _mm512_setzero_ps())};
}
// Lanes of `a` with their partners in `swapped`: sums in the lower of two lanes, differences in the
// upper.
inline __m512 sums_and_differences(__m512 a, __m512 swapped, __mmask16 upper) {
  return _mm512_mask_sub_ps(_mm512_add_ps(swapped, a), upper, swapped, a);
}
inline F32 hadamard16(F32 a) {
  a.v = sums_and_differences(a.v, _mm512_permute_ps(a.v, 0xb1), 0xaaaa);
  a.v = sums_and_differences(a.v, _mm512_permute_ps(a.v, 0x4e), 0xcccc);
  a.v = sums_and_differences(a.v, _mm512_shuffle_f32x4(a.v, a.v, 0xb1), 0xf0f0);
  a.v = sums_and_differences(a.v, _mm512_shuffle_f32x4(a.v, a.v, 0x4e), 0xff00);
  return a;
}
// The upper half of sixteen lanes.
inline __m256 upper(__m512 v) {
  return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(v), 1));
}
inline float reduce_add(F32 a) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.v), upper(a.v));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float reduce_max(F32 a) {
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(a.v), upper(a.v));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
inline float reduce_max_bits(F32 a) {
  const __m256i eight = _mm256_max_epi32(_mm256_castps_si256(_mm512_castps512_ps256(a.v)),
                                         _mm256_castps_si256(upper(a.v)));
  const __m128i four =
      _mm_max_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  const __m128i two = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x0e));
  return _mm_cvtss_f32(_mm_castsi128_ps(_mm_max_epi32(two, _mm_shuffle_epi32(two, 0x01))));
}

}  // namespace
}  // namespace autoglm::avx512
#endif
