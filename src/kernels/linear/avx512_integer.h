// AVX-512 VNNI micro-kernels for int8 and int4 weights: vpdpbusd multiplies unsigned by signed
// bytes and adds four products to an int32 a lane, a lane being one output channel.
#pragma once

#if defined(__AVX512VNNI__) || defined(AUTOGLM_EMULATED_AVX512)
#include <cstring>

#include "kernels/linear/layout.h"
#include "kernels/linear/panel_kernels.h"
#include "kernels/simd/avx512.h"

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
  const __m512i top_bits = _mm512_set1_epi32(static_cast<int>(0x80808080u));
  __m512i sum[R][P];
  for (int r = 0; r < R; ++r) {
    for (int p = 0; p < P; ++p) sum[r][p] = _mm512_setzero_si512();
  }
  for (int64_t q = 0; q < t.padded_k / 4; ++q) {
    __m512i weight[P];
    for (int p = 0; p < P; ++p) {
      weight[p] = _mm512_xor_si512(_mm512_loadu_si512(t.w + p * t.panel_bytes + q * 64), top_bits);
    }
    for (int r = 0; r < R; ++r) {
      const __m512i value = broadcast_quad(t.x + r * t.padded_k + q * 4);
      for (int p = 0; p < P; ++p) sum[r][p] = _mm512_dpbusd_epi32(sum[r][p], weight[p], value);
    }
  }
  for (int r = 0; r < R; ++r) {
    const __m512i excess = _mm512_set1_epi32(128 * t.sums[r]);
    for (int p = 0; p < P; ++p) {
      _mm512_storeu_si512(t.out + r * t.out_stride + p * 16, _mm512_sub_epi32(sum[r][p], excess));
    }
  }
}

// Codes are unsigned as they are; each group's sum is multiplied by its scale, and the offsets meet
// the sums of the activations, both groups of a block in one vpmaddwd.
template <int R, int P>
void int4_tile(const IntegerTile& t) {
  static_assert(P == 1);
  const __m512i low_nibbles = _mm512_set1_epi32(0x0f0f0f0f);
  const int64_t n_groups = t.padded_k / QuantizedRows::kGroup;
  __m512i sum[R];
  for (int r = 0; r < R; ++r) sum[r] = _mm512_setzero_si512();
  const auto* w = reinterpret_cast<const uint8_t*>(t.w);
  for (int64_t b = 0; b < n_groups / 2; ++b, w += layout::kInt4BlockBytes) {
    __m512i low[R];
    __m512i high[R];
    for (int r = 0; r < R; ++r) low[r] = high[r] = _mm512_setzero_si512();
    for (int q = 0; q < 8; ++q) {
      const __m512i both = _mm512_loadu_si512(w + q * 64);
      const __m512i first = _mm512_and_si512(both, low_nibbles);
      const __m512i second = _mm512_and_si512(_mm512_srli_epi16(both, 4), low_nibbles);
      for (int r = 0; r < R; ++r) {
        const int8_t* x = t.x + r * t.padded_k + b * 64 + q * 4;
        low[r] = _mm512_dpbusd_epi32(low[r], first, broadcast_quad(x));
        high[r] = _mm512_dpbusd_epi32(high[r], second, broadcast_quad(x + 32));
      }
    }
    const auto* scales = reinterpret_cast<const __m128i*>(w + layout::kInt4Scales);
    const __m512i low_scale = _mm512_cvtepu8_epi32(_mm_loadu_si128(scales));
    const __m512i high_scale = _mm512_cvtepu8_epi32(_mm_loadu_si128(scales + 1));
    const __m512i offsets = _mm512_cvtepi8_epi16(
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w + layout::kInt4Offsets)));
    for (int r = 0; r < R; ++r) {
      const __m512i groups = broadcast_quad(t.group_sums + r * n_groups + b * 2);
      sum[r] = _mm512_add_epi32(sum[r], _mm512_mullo_epi32(low[r], low_scale));
      sum[r] = _mm512_add_epi32(sum[r], _mm512_mullo_epi32(high[r], high_scale));
      sum[r] = _mm512_add_epi32(sum[r], _mm512_madd_epi16(offsets, groups));
    }
  }
  for (int r = 0; r < R; ++r) _mm512_storeu_si512(t.out + r * t.out_stride, sum[r]);
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
