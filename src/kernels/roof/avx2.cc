// The roof of AVX2: f32 FMA, and the two ways to multiply bytes without VNNI.
#include <immintrin.h>

#include "kernels/roof/loops.h"

namespace autoglm {
namespace {

void float_loop(int64_t iterations) {
  __m256 sum[12] = {};
  const __m256 a = _mm256_set1_ps(1e-6f);
  for (int64_t i = 0; i < iterations; ++i) {
    for (__m256& s : sum) asm volatile("vfmadd231ps %1, %1, %0" : "+x"(s) : "x"(a));
  }
}

// The product goes to a register of its own, as the kernels have it.
void wide_loop(int64_t iterations) {
  __m256i sum[10] = {};
  const __m256i a = _mm256_set1_epi16(3);
  for (int64_t i = 0; i < iterations; ++i) {
    for (__m256i& s : sum) {
      __m256i product;
      asm volatile("vpmaddwd %2, %2, %1\n\tvpaddd %1, %0, %0" : "+x"(s), "=&x"(product) : "x"(a));
    }
  }
}

void byte_loop(int64_t iterations) {
  __m256i sum[10] = {};
  const __m256i a = _mm256_set1_epi8(3);
  for (int64_t i = 0; i < iterations; ++i) {
    for (__m256i& s : sum) {
      __m256i product;
      asm volatile("vpmaddubsw %2, %2, %1\n\tvpaddw %1, %0, %0" : "+x"(s), "=&x"(product) : "x"(a));
    }
  }
}

constexpr RoofLoop kLoops[] = {
    {RoofUnit::kFloat, Isa::kAvx2, "vfmadd231ps, 256 bits", 12 * 8 * 2, float_loop},
    {RoofUnit::kInteger, Isa::kAvx2, "vpmaddwd and vpaddd, 256 bits", 10 * 16 * 2, wide_loop},
    {RoofUnit::kInt4, Isa::kAvx2, "vpmaddubsw and vpaddw, 256 bits", 10 * 32 * 2, byte_loop},
};

}  // namespace

const std::span<const RoofLoop> kRoofAvx2 = kLoops;

uint64_t read_avx2(const std::byte* data, int64_t bytes) {
  __m256i sum[8] = {};
  for (int64_t i = 0; i < bytes; i += 256) {
    for (int j = 0; j < 8; ++j) {
      if (j % 2 == 0)
        _mm_prefetch(reinterpret_cast<const char*>(data + i + 2048 + j * 32), _MM_HINT_T0);
      const auto* p = reinterpret_cast<const __m256i*>(data + i + j * 32);
      sum[j] = _mm256_xor_si256(sum[j], _mm256_load_si256(p));
    }
  }
  for (int j = 1; j < 8; ++j) sum[0] = _mm256_xor_si256(sum[0], sum[j]);
  return static_cast<uint64_t>(_mm256_extract_epi64(sum[0], 0));
}

}  // namespace autoglm
