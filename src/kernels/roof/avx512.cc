// The roof of AVX-512: f32 FMA and VNNI.
#include <immintrin.h>

#include "kernels/roof/loops.h"

namespace autoglm {
namespace {

constexpr int kChains = 16;

void float_loop(int64_t iterations) {
  __m512 sum[kChains] = {};
  const __m512 a = _mm512_set1_ps(1e-6f);
  for (int64_t i = 0; i < iterations; ++i) {
    for (__m512& s : sum) asm volatile("vfmadd231ps %1, %1, %0" : "+v"(s) : "v"(a));
  }
}

void integer_loop(int64_t iterations) {
  __m512i sum[kChains] = {};
  const __m512i a = _mm512_set1_epi8(3);
  for (int64_t i = 0; i < iterations; ++i) {
    for (__m512i& s : sum) asm volatile("vpdpbusd %1, %1, %0" : "+v"(s) : "v"(a));
  }
}

constexpr RoofLoop kLoops[] = {
    {RoofUnit::kFloat, Isa::kAvx512, "vfmadd231ps, 512 bits", kChains * 16 * 2, float_loop},
    {RoofUnit::kInteger, Isa::kAvx512, "vpdpbusd, 512 bits", kChains * 64 * 2, integer_loop},
};

}  // namespace

const std::span<const RoofLoop> kRoofAvx512 = kLoops;

uint64_t read_avx512(const std::byte* data, int64_t bytes) {
  __m512i sum[8] = {};
  for (int64_t i = 0; i < bytes; i += 512) {
    for (int j = 0; j < 8; ++j) {
      sum[j] = _mm512_xor_si512(sum[j], _mm512_load_si512(data + i + j * 64));
    }
  }
  for (int j = 1; j < 8; ++j) sum[0] = _mm512_xor_si512(sum[0], sum[j]);
  return static_cast<uint64_t>(_mm_cvtsi128_si64(_mm512_castsi512_si128(sum[0])));
}

}  // namespace autoglm
