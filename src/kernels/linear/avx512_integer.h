// AVX-512 VNNI micro-kernels for int8 and int4 weights: vpdpbusd multiplies unsigned by signed
// bytes and adds four products to an int32 a lane, a lane being one output channel.
#pragma once

#if defined(__AVX512VNNI__) || defined(AUTOGLM_EMULATED_AVX512)
#include <cstring>

#include "kernels/linear/layout.h"
#include "kernels/linear/panel_kernels.h"
#include "kernels/simd/avx512.h"
#include "kernels/simd/unroll.h"

namespace autoglm::avx512 {
namespace {

inline __m512i broadcast_quad(const void* p) {
  int32_t quad;
  std::memcpy(&quad, p, sizeof quad);
  return _mm512_set1_epi32(quad);
}

// Rows of a part against panels: what the tiles below are given.
struct IntegerTile {
  const std::byte* w;
  int64_t panel_bytes;
  const int8_t* x;
  const int16_t* group_sums;
  const int32_t* sums;
  int64_t padded_k;
  int32_t* out;
  int64_t out_stride;
};

// Weights become unsigned by flipping their top bit, which adds 128 to each: 128 times the sum of
// the activations is taken off at the end. Sums wrap around on the way; the result is exact all the
// same.
template <int R, int P>
void int8_tile(const IntegerTile& t) {
  constexpr int64_t kAhead = 4096;  // weights come from memory: each panel so many bytes ahead
  const __m512i top_bits = _mm512_set1_epi32(static_cast<int>(0x80808080u));
  __m512i sum[R][P];
  unroll<R * P>([&](auto i) { sum[i / P][i % P] = _mm512_setzero_si512(); });
  for (int64_t q = 0; q < t.padded_k / 4; ++q) {
    __m512i weight[P];
    unroll<P>([&](auto p) {
      const std::byte* w = t.w + p * t.panel_bytes + q * 64;
      if constexpr (R <= 4) __builtin_prefetch(w + kAhead, 0, 3);
      weight[p] = _mm512_xor_si512(_mm512_loadu_si512(w), top_bits);
    });
    unroll<R>([&](auto r) {
      const __m512i value = broadcast_quad(t.x + r * t.padded_k + q * 4);
      unroll<P>([&](auto p) { sum[r][p] = _mm512_dpbusd_epi32(sum[r][p], weight[p], value); });
    });
  }
  unroll<R>([&](auto r) {
    const __m512i excess = _mm512_set1_epi32(128 * t.sums[r]);
    unroll<P>([&](auto p) {
      _mm512_storeu_si512(t.out + r * t.out_stride + p * 16, _mm512_sub_epi32(sum[r][p], excess));
    });
  });
}

// A code times its group's scale is at most 15 * 16: unsigned bytes, two of which one 16-bit
// product makes side by side. The offsets meet the sums of the activations, both groups of a block
// in one vpdpwssd.
template <int R, int P>
void int4_tile(const IntegerTile& t) {
  // Weights come from memory: this far ahead, in bytes.
  constexpr int64_t kAhead = 20 * layout::kInt4BlockBytes;
  const __m512i low_nibbles = _mm512_set1_epi32(0x0f0f0f0f);
  const int64_t n_groups = t.padded_k / QuantizedRows::kGroup;
  __m512i sum[R][P];
  unroll<R * P>([&](auto i) { sum[i / P][i % P] = _mm512_setzero_si512(); });
  const auto* w = reinterpret_cast<const uint8_t*>(t.w);
  const int8_t* x = t.x;
  for (int64_t b = 0; b < n_groups / 2; ++b, w += layout::kInt4BlockBytes, x += 64) {
    __m512i scale[P][2];
    unroll<P>([&](auto p) {
      const uint8_t* block = w + p * t.panel_bytes;
      unroll<9>([&](auto line) { __builtin_prefetch(block + kAhead + line * 64, 0, 3); });
      const auto* scales = reinterpret_cast<const __m128i*>(block + layout::kInt4Scales);
      unroll<2>([&](auto g) {
        const __m512i wide = _mm512_cvtepu8_epi32(_mm_loadu_si128(scales + g));
        scale[p][g] = _mm512_or_si512(wide, _mm512_slli_epi32(wide, 16));
      });
      const __m512i offsets = _mm512_cvtepi8_epi16(
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + layout::kInt4Offsets)));
      unroll<R>([&](auto r) {
        const __m512i groups = broadcast_quad(t.group_sums + r * n_groups + b * 2);
        sum[r][p] = _mm512_dpwssd_epi32(sum[r][p], offsets, groups);
      });
    });
    unroll<8>([&](auto q) {
      __m512i low[P], high[P];
      unroll<P>([&](auto p) {
        const __m512i both = _mm512_loadu_si512(w + p * t.panel_bytes + q * 64);
        low[p] = _mm512_mullo_epi16(_mm512_and_si512(both, low_nibbles), scale[p][0]);
        high[p] = _mm512_mullo_epi16(_mm512_and_si512(_mm512_srli_epi16(both, 4), low_nibbles),
                                     scale[p][1]);
      });
      unroll<R>([&](auto r) {
        const int8_t* quad = x + r * t.padded_k + q * 4;
        unroll<P>([&](auto p) {
          sum[r][p] = _mm512_dpbusd_epi32(sum[r][p], low[p], broadcast_quad(quad));
          sum[r][p] = _mm512_dpbusd_epi32(sum[r][p], high[p], broadcast_quad(quad + 32));
        });
      });
    });
  }
  unroll<R * P>([&](auto i) {
    _mm512_storeu_si512(t.out + i / P * t.out_stride + i % P * 16, sum[i / P][i % P]);
  });
}

// kMaxRows rows by kWide panels at once.
template <bool kIsInt4, int kMaxRows, int kWide>
struct IntegerMicro {
  using Sum = int32_t;
  static constexpr int64_t kRows = kMaxRows;
  static constexpr int64_t kPanels = kWide > 2 ? kWide : 2;
  const LinearTask& task;

  IntegerMicro(const LinearTask& t, const LinearPart&, std::byte*) : task(t) {}

  template <int R, int P>
  static void rows(const IntegerTile& tile, int64_t n_rows) {
    if constexpr (R > 1) {
      if (n_rows < R) return rows<R - 1, P>(tile, n_rows);
    }
    if constexpr (kIsInt4) {
      int4_tile<R, P>(tile);
    } else {
      int8_tile<R, P>(tile);
    }
  }

  void tile(int64_t row, int64_t n_rows, int64_t panel, int64_t n_panels, int32_t* out) const {
    const QuantizedRows& q = task.quantized;
    IntegerTile work{.w = task.panels + panel * task.panel_bytes,
                     .panel_bytes = task.panel_bytes,
                     .x = q.values + row * q.padded_k(),
                     .group_sums = q.group_sums + row * (q.padded_k() / QuantizedRows::kGroup),
                     .sums = q.sums + row,
                     .padded_k = q.padded_k(),
                     .out = out,
                     .out_stride = n_panels * 16};
    int64_t p = 0;
    for (; p + kWide <= n_panels; p += kWide, work.out += kWide * 16) {
      work.w = task.panels + (panel + p) * task.panel_bytes;
      rows<kMaxRows, kWide>(work, n_rows);
    }
    if constexpr (kWide > 1) {
      for (; p < n_panels; ++p, work.out += 16) {
        work.w = task.panels + (panel + p) * task.panel_bytes;
        rows<kMaxRows, 1>(work, n_rows);
      }
    }
  }
};

}  // namespace
}  // namespace autoglm::avx512
#endif
