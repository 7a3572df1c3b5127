// AVX-512 and AMX instructions in plain C++, so that kernels written with them run, slowly, on
// every machine: SIMDe's versions, those that SIMDe 0.7.4 lacks, and the six tile instructions of
// AMX int8 (Intel SDM, volume 2). Include it first in a test program's file; the kernels' headers
// then compile without flags.
#pragma once

#define AUTOGLM_EMULATED_AVX512
#define SIMDE_ENABLE_NATIVE_ALIASES
#define SIMDE_NO_INLINE  // kernels inline much: compiling all of it took minutes
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wpedantic"
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>
#pragma GCC diagnostic pop

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "kernels/simd/half.h"

using __mmask16 = uint16_t;  // SIMDe has it under its own name only

namespace autoglm::emulation {

// One lane after another: out[i] = operation(in[i]).
template <class Out, class To, class In, class From, class Operation>
Out lanes(const In& in, Operation operation) {
  From from[16];
  To to[16];
  std::memcpy(from, &in, sizeof from);
  for (int i = 0; i < 16; ++i) to[i] = operation(from[i]);
  Out out;
  std::memcpy(&out, to, sizeof out);
  return out;
}

inline __m512 cvtepi32_ps(__m512i a) {
  return lanes<__m512, float, __m512i, int32_t>(a, [](int32_t x) { return static_cast<float>(x); });
}
inline __m512i cvtps_epi32(__m512 a) {
  return lanes<__m512i, int32_t, __m512, float>(a, [](float x) {
    const bool fits = std::abs(x) < 2147483648.0f;
    return fits ? static_cast<int32_t>(std::nearbyint(x)) : INT32_MIN;
  });
}
inline __m512i cvtepu8_epi32(__m128i a) {
  return lanes<__m512i, int32_t, __m128i, uint8_t>(a, [](uint8_t x) { return int32_t{x}; });
}
inline __m512i cvtepi8_epi32(__m128i a) {
  return lanes<__m512i, int32_t, __m128i, int8_t>(a, [](int8_t x) { return int32_t{x}; });
}
// Lane i of every four from lane (imm >> 2 i) % 4 of the same four.
inline __m512 permute_ps(__m512 a, unsigned imm) {
  float in[16];
  float out[16];
  std::memcpy(in, &a, sizeof in);
  for (unsigned i = 0; i < 16; ++i) out[i] = in[i / 4 * 4 + ((imm >> (i % 4 * 2)) & 3)];
  std::memcpy(&a, out, sizeof out);
  return a;
}
// Fours: two of a, then two of b.
inline __m512 shuffle_f32x4(__m512 a, __m512 b, unsigned imm) {
  float in[2][16];
  float out[16];
  std::memcpy(in[0], &a, sizeof out);
  std::memcpy(in[1], &b, sizeof out);
  for (unsigned i = 0; i < 16; ++i) {
    out[i] = in[i / 8][((imm >> (i / 4 * 2)) & 3) * 4 + i % 4];
  }
  std::memcpy(&a, out, sizeof out);
  return a;
}
inline __m512i cvtepu16_epi32(__m256i a) {
  return lanes<__m512i, int32_t, __m256i, uint16_t>(a, [](uint16_t x) { return int32_t{x}; });
}
inline __m512i srai_epi32(__m512i a, unsigned count) {
  return lanes<__m512i, int32_t, __m512i, int32_t>(a, [&](int32_t x) { return x >> count; });
}
inline __m512 cvtph_ps(__m256i a) {
  return lanes<__m512, float, __m256i, uint16_t>(a, [](uint16_t x) { return f16_to_f32(x); });
}
// Numbers below 2^-126 count as zero, and become it (Intel SDM, VCVTNEPS2BF16).
inline __m256i cvtneps_pbh(__m512 a) {
  return lanes<__m256i, uint16_t, __m512, float>(a, [](float x) {
    constexpr uint16_t kSign = 0x8000;
    const uint16_t rounded = f32_to_bf16(x);
    return static_cast<uint16_t>(std::abs(x) < 0x1p-126f ? rounded & kSign : rounded);
  });
}
// Rounded once, as the instruction does; SIMDe rounds the product too.
inline __m512 fmadd_ps(__m512 a, __m512 b, __m512 c) {
  float x[16], y[16], z[16];
  std::memcpy(x, &a, sizeof x);
  std::memcpy(y, &b, sizeof y);
  std::memcpy(z, &c, sizeof z);
  for (int i = 0; i < 16; ++i) z[i] = std::fma(x[i], y[i], z[i]);
  std::memcpy(&c, z, sizeof z);
  return c;
}
inline __m512 fnmadd_ps(__m512 a, __m512 b, __m512 c) {
  return fmadd_ps(_mm512_sub_ps(_mm512_set1_ps(-0.0f), a), b, c);
}
inline __m512 maskz_loadu_ps(__mmask16 mask, const void* p) {
  float v[16] = {};
  for (int i = 0; i < 16; ++i) {
    if ((mask >> i) & 1) std::memcpy(&v[i], static_cast<const char*>(p) + 4 * i, 4);
  }
  __m512 out;
  std::memcpy(&out, v, sizeof out);
  return out;
}
inline void mask_storeu_ps(void* p, __mmask16 mask, __m512 a) {
  float v[16];
  std::memcpy(v, &a, sizeof v);
  for (int i = 0; i < 16; ++i) {
    if ((mask >> i) & 1) std::memcpy(static_cast<char*>(p) + 4 * i, &v[i], 4);
  }
}

// What the product kernels repeat thousands of times, kept out of line: written out, SIMDe's
// versions take the compiler minutes.
#define AUTOGLM_OUT_OF_LINE(name) \
  [[gnu::noinline]] inline __m512i name(__m512i a, __m512i b) { return simde_mm512_##name(a, b); }
#define AUTOGLM_OUT_OF_LINE_3(name)                                        \
  [[gnu::noinline]] inline __m512i name(__m512i a, __m512i b, __m512i c) { \
    return simde_mm512_##name(a, b, c);                                    \
  }
#define AUTOGLM_OUT_OF_LINE_SHIFT(name)                              \
  [[gnu::noinline]] inline __m512i name(__m512i a, unsigned count) { \
    return simde_mm512_##name(a, count);                             \
  }
AUTOGLM_OUT_OF_LINE(and_si512)
AUTOGLM_OUT_OF_LINE(or_si512)
AUTOGLM_OUT_OF_LINE(add_epi8)
AUTOGLM_OUT_OF_LINE(mullo_epi16)
AUTOGLM_OUT_OF_LINE(mullo_epi32)
AUTOGLM_OUT_OF_LINE_3(dpbusd_epi32)
AUTOGLM_OUT_OF_LINE_3(dpwssd_epi32)
AUTOGLM_OUT_OF_LINE_SHIFT(srli_epi16)
AUTOGLM_OUT_OF_LINE_SHIFT(slli_epi16)
[[gnu::noinline]] inline __m512i set1_epi32(int a) { return simde_mm512_set1_epi32(a); }
#undef AUTOGLM_OUT_OF_LINE
#undef AUTOGLM_OUT_OF_LINE_3
#undef AUTOGLM_OUT_OF_LINE_SHIFT

// The tiles of one thread.
struct Tiles {
  bool configured = false;
  uint8_t rows[8] = {};
  uint16_t row_bytes[8] = {};
  uint8_t data[8][16][64] = {};
};
inline Tiles& tiles() {
  thread_local Tiles state;
  return state;
}
// What the processor answers with #UD or #GP ends the test program.
inline void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "AMX: %s\n", what);
  std::abort();
}

inline void tile_loadconfig(const void* config) {
  const auto* bytes = static_cast<const uint8_t*>(config);
  require(bytes[0] == 1 && bytes[1] == 0, "palette 1, start row 0");
  for (int i = 2; i < 16; ++i) require(bytes[i] == 0, "reserved bytes are zero");
  Tiles& t = tiles();
  t = Tiles{};
  t.configured = true;
  for (int i = 0; i < 8; ++i) {
    std::memcpy(&t.row_bytes[i], bytes + 16 + 2 * i, 2);
    t.rows[i] = bytes[48 + i];
    require(t.rows[i] <= 16 && t.row_bytes[i] <= 64, "16 rows of 64 bytes at most");
    require((t.rows[i] == 0) == (t.row_bytes[i] == 0), "rows without columns");
  }
  for (int i = 8; i < 16; ++i) require(bytes[48 + i] == 0, "8 tiles");
}
inline void tile_release() { tiles() = Tiles{}; }
inline void tile_zero(int tile) {
  require(tiles().configured && tiles().rows[tile] > 0, "tile is configured");
  std::memset(tiles().data[tile], 0, sizeof tiles().data[tile]);
}
inline void tile_loadd(int tile, const void* base, size_t stride) {
  tile_zero(tile);
  Tiles& t = tiles();
  for (int i = 0; i < t.rows[tile]; ++i) {
    std::memcpy(t.data[tile][i], static_cast<const char*>(base) + i * stride, t.row_bytes[tile]);
  }
}
inline void tile_stored(int tile, void* base, size_t stride) {
  const Tiles& t = tiles();
  require(t.configured && t.rows[tile] > 0, "tile is configured");
  for (int i = 0; i < t.rows[tile]; ++i) {
    std::memcpy(static_cast<char*>(base) + i * stride, t.data[tile][i], t.row_bytes[tile]);
  }
}
// c += a * b over signed bytes: c[i][j] += sum over k and byte of a[i][4k + byte] * b[k][4j +
// byte].
inline void tile_dpbssd(int c, int a, int b) {
  Tiles& t = tiles();
  require(t.configured && t.rows[c] == t.rows[a] && t.row_bytes[c] == t.row_bytes[b] &&
              t.row_bytes[a] == 4 * t.rows[b],
          "shapes of a product agree");
  for (int i = 0; i < t.rows[c]; ++i) {
    for (int j = 0; j < t.row_bytes[c] / 4; ++j) {
      int32_t sum;
      std::memcpy(&sum, t.data[c][i] + 4 * j, 4);
      for (int k = 0; k < t.row_bytes[a]; ++k) {
        const auto left = static_cast<int8_t>(t.data[a][i][k]);
        const auto right = static_cast<int8_t>(t.data[b][k / 4][4 * j + k % 4]);
        sum += left * right;
      }
      std::memcpy(t.data[c][i] + 4 * j, &sum, 4);
    }
  }
}

// c += a * b over bf16: for each pair of columns of a in turn, even and odd ones apart; what is
// below 2^-126 counts as zero (Intel SDM volume 2, TDPBF16PS).
inline float flushed(float x) { return std::abs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x; }
inline float bf16_element(const uint8_t* row, int i) {
  uint16_t bits;
  std::memcpy(&bits, row + 2 * i, 2);
  return flushed(bf16_to_f32(bits));
}
inline void tile_dpbf16ps(int c, int a, int b) {
  Tiles& t = tiles();
  require(t.configured && t.rows[c] == t.rows[a] && t.row_bytes[c] == t.row_bytes[b] &&
              t.row_bytes[a] == 4 * t.rows[b],
          "shapes of a product agree");
  for (int i = 0; i < t.rows[c]; ++i) {
    for (int j = 0; j < t.row_bytes[c] / 4; ++j) {
      float sums[2] = {0, 0};
      for (int k = 0; k < t.row_bytes[a] / 4; ++k) {
        for (int odd = 0; odd < 2; ++odd) {
          const float x = bf16_element(t.data[a][i], 2 * k + odd);
          const float w = bf16_element(t.data[b][k], 2 * j + odd);
          sums[odd] = flushed(std::fma(x, w, sums[odd]));
        }
      }
      float sum;
      std::memcpy(&sum, t.data[c][i] + 4 * j, 4);
      sum = flushed(flushed(sum) + flushed(sums[0] + sums[1]));
      std::memcpy(t.data[c][i] + 4 * j, &sum, 4);
    }
  }
}

}  // namespace autoglm::emulation

// SIMDe's alias takes the masked version's four arguments.
#undef _mm512_madd_epi16
#define _mm512_madd_epi16(a, b) simde_mm512_madd_epi16(a, b)
#undef _mm512_fmadd_ps
#undef _mm512_fnmadd_ps
#define _mm512_fmadd_ps(a, b, c) ::autoglm::emulation::fmadd_ps(a, b, c)
#define _mm512_fnmadd_ps(a, b, c) ::autoglm::emulation::fnmadd_ps(a, b, c)
#undef _mm512_and_si512
#undef _mm512_or_si512
#undef _mm512_add_epi8
#undef _mm512_mullo_epi16
#undef _mm512_mullo_epi32
#undef _mm512_dpbusd_epi32
#undef _mm512_dpwssd_epi32
#undef _mm512_srli_epi16
#undef _mm512_slli_epi16
#undef _mm512_set1_epi32
#define _mm512_and_si512(a, b) ::autoglm::emulation::and_si512(a, b)
#define _mm512_or_si512(a, b) ::autoglm::emulation::or_si512(a, b)
#define _mm512_add_epi8(a, b) ::autoglm::emulation::add_epi8(a, b)
#define _mm512_mullo_epi16(a, b) ::autoglm::emulation::mullo_epi16(a, b)
#define _mm512_mullo_epi32(a, b) ::autoglm::emulation::mullo_epi32(a, b)
#define _mm512_dpbusd_epi32(a, b, c) ::autoglm::emulation::dpbusd_epi32(a, b, c)
#define _mm512_dpwssd_epi32(a, b, c) ::autoglm::emulation::dpwssd_epi32(a, b, c)
#define _mm512_srli_epi16(a, count) ::autoglm::emulation::srli_epi16(a, count)
#define _mm512_slli_epi16(a, count) ::autoglm::emulation::slli_epi16(a, count)
#define _mm512_set1_epi32(a) ::autoglm::emulation::set1_epi32(a)
#define _mm512_cvtepi32_ps(a) ::autoglm::emulation::cvtepi32_ps(a)
#define _mm512_cvtps_epi32(a) ::autoglm::emulation::cvtps_epi32(a)
#define _mm512_cvtepu8_epi32(a) ::autoglm::emulation::cvtepu8_epi32(a)
#define _mm512_cvtepi8_epi32(a) ::autoglm::emulation::cvtepi8_epi32(a)
#define _mm512_permute_ps(a, imm) ::autoglm::emulation::permute_ps(a, imm)
#define _mm512_shuffle_f32x4(a, b, imm) ::autoglm::emulation::shuffle_f32x4(a, b, imm)
#define _mm512_cvtepu16_epi32(a) ::autoglm::emulation::cvtepu16_epi32(a)
#define _mm512_srai_epi32(a, count) ::autoglm::emulation::srai_epi32(a, count)
#define _mm512_cvtneps_pbh(a) ::autoglm::emulation::cvtneps_pbh(a)
#define _mm512_cvtph_ps(a) ::autoglm::emulation::cvtph_ps(a)
#define _mm512_maskz_loadu_ps(mask, p) ::autoglm::emulation::maskz_loadu_ps(mask, p)
#define _mm512_mask_storeu_ps(p, mask, a) ::autoglm::emulation::mask_storeu_ps(p, mask, a)
#define _tile_loadconfig(p) ::autoglm::emulation::tile_loadconfig(p)
#define _tile_release() ::autoglm::emulation::tile_release()
#define _tile_zero(t) ::autoglm::emulation::tile_zero(t)
#define _tile_loadd(t, p, stride) ::autoglm::emulation::tile_loadd(t, p, stride)
#define _tile_stored(t, p, stride) ::autoglm::emulation::tile_stored(t, p, stride)
#define _tile_dpbf16ps(c, a, b) ::autoglm::emulation::tile_dpbf16ps(c, a, b)
#define _tile_dpbssd(c, a, b) ::autoglm::emulation::tile_dpbssd(c, a, b)

// What kernels want inline would make the compiler write the emulation out thousands of times.
#define always_inline noinline
