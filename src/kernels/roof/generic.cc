// The roof of plain x86-64: SSE2, which every such processor has.
#include <emmintrin.h>

#include "kernels/roof/loops.h"

namespace autoglm {
namespace {

constexpr int kChains = 8;  // independent sums hide the latency of one

void float_loop(int64_t iterations) {
  __m128 sum[kChains] = {};
  const __m128 a = _mm_set1_ps(1e-6f);
  for (int64_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 8  // -O2 would keep the sums in memory
    for (__m128& s : sum) {
      __m128 product = a;
      asm volatile("mulps %2, %1\n\taddps %1, %0" : "+x"(s), "+x"(product) : "x"(a));
    }
  }
}

void integer_loop(int64_t iterations) {
  __m128i sum[kChains] = {};
  const __m128i a = _mm_set1_epi16(3);
  for (int64_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 8
    for (__m128i& s : sum) {
      __m128i product = a;
      asm volatile("pmaddwd %2, %1\n\tpaddd %1, %0" : "+x"(s), "+x"(product) : "x"(a));
    }
  }
}

constexpr RoofLoop kLoops[] = {
    {RoofUnit::kFloat, Isa::kGeneric, "mulps and addps", kChains * 4 * 2, float_loop},
    {RoofUnit::kInteger, Isa::kGeneric, "pmaddwd and paddd", kChains * 8 * 2, integer_loop},
};

}  // namespace

const std::span<const RoofLoop> kRoofGeneric = kLoops;

uint64_t read_generic(const std::byte* data, int64_t bytes) {
  __m128i sum[4] = {};
  for (int64_t i = 0; i < bytes; i += 64) {
    for (int j = 0; j < 4; ++j) {
      const auto* p = reinterpret_cast<const __m128i*>(data + i + j * 16);
      sum[j] = _mm_xor_si128(sum[j], _mm_load_si128(p));
    }
  }
  const __m128i all = _mm_xor_si128(_mm_xor_si128(sum[0], sum[1]), _mm_xor_si128(sum[2], sum[3]));
  return static_cast<uint64_t>(_mm_cvtsi128_si64(all));
}

}  // namespace autoglm
