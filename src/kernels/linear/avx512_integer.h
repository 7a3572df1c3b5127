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
  // Weights come from memory: so many lines ahead, after the last the next panels' first.
  constexpr int64_t kAhead = 16;
  const __m512i top_bits = _mm512_set1_epi32(static_cast<int>(0x80808080u));
  __m512i sum[R][P];
  unroll<R * P>([&](auto i) { sum[i / P][i % P] = _mm512_setzero_si512(); });
  const int64_t n_lines = t.padded_k / 4;
  for (int64_t q = 0; q < n_lines; ++q) {
    const int64_t next = q + kAhead;
    const std::byte* ahead =
        t.w + (next < n_lines ? next * 64 : P * t.panel_bytes + (next - n_lines) * 64);
    __m512i weight[P];
    unroll<P>([&](auto p) {
      const std::byte* w = t.w + p * t.panel_bytes + q * 64;
      if constexpr (R <= 4) __builtin_prefetch(ahead + p * t.panel_bytes, 0, 3);
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

// The scales and offsets of a block's halves of 32 columns, a channel in each lane.
struct BlockScales {
  __m512i scale[2];  // in both halves of a lane
  __m512i offsets;   // in one half of a lane each
};

template <int64_t kGroup>
BlockScales block_scales(const uint8_t* scales) {
  const auto* parts = reinterpret_cast<const __m128i*>(scales);
  BlockScales out;
  for (int half = 0; half < (kGroup == 32 ? 2 : 1); ++half) {
    const __m512i wide = _mm512_cvtepu8_epi32(_mm_loadu_si128(parts + half));
    out.scale[half] = _mm512_or_si512(wide, _mm512_slli_epi32(wide, 16));
  }
  if constexpr (kGroup == 32) {
    out.offsets =
        _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(scales + 32)));
  } else {
    out.scale[1] = out.scale[0];
    const __m512i wide = _mm512_cvtepu8_epi32(_mm_loadu_si128(parts + 1));
    const __m512i tops = _mm512_or_si512(_mm512_slli_epi32(wide, 8), _mm512_slli_epi32(wide, 24));
    out.offsets = _mm512_srai_epi16(tops, 8);
  }
  return out;
}

// A code times its group's scale is at most 15 * 16: unsigned bytes, two of which one 16-bit
// product makes side by side. The offsets meet the sums of the activations, both halves of a block
// in one vpdpwssd.
template <int64_t kGroup, int R, int P>
void int4_tile(const IntegerTile& t) {
  const layout::Int4Panel at{.group = kGroup, .n_blocks = t.padded_k / 64};
  // Weights come from memory: so many blocks ahead, after the last the next panels' first. A line
  // at a time between the work: many at once would take every place for lines that are under way.
  constexpr int64_t kAhead = 6;
  constexpr int kLines = kGroup == 64 ? 10 : 9;
  const __m512i low_nibbles = _mm512_set1_epi32(0x0f0f0f0f);
  const int64_t n_groups = t.padded_k / QuantizedRows::kGroup;
  const int64_t n_blocks = at.n_blocks;
  __m512i sum[R][P];
  unroll<R * P>([&](auto i) { sum[i / P][i % P] = _mm512_setzero_si512(); });
  const auto* panel = reinterpret_cast<const uint8_t*>(t.w);
  const int8_t* x = t.x;
  for (int64_t b = 0; b < n_blocks; ++b, x += 64) {
    const uint8_t* w = panel + at.codes_at(b);
    const uint8_t* scales = panel + at.scales_at(b);
    const int64_t next = b + kAhead;
    const uint8_t* ahead = next < n_blocks
                               ? panel + at.codes_at(next)
                               : panel + P * t.panel_bytes + at.codes_at(next - n_blocks);
    BlockScales block[P];
    unroll<P>([&](auto p) {
      unroll<kLines - 8>([&](auto line) {
        __builtin_prefetch(ahead + p * t.panel_bytes + (8 + line) * 64, 0, 3);
      });
      block[p] = block_scales<kGroup>(scales + p * t.panel_bytes);
      unroll<R>([&](auto r) {
        const __m512i groups = broadcast_quad(t.group_sums + r * n_groups + b * 2);
        sum[r][p] = _mm512_dpwssd_epi32(sum[r][p], block[p].offsets, groups);
      });
    });
    unroll<8>([&](auto q) {
      __m512i low[P], high[P];
      unroll<P>([&](auto p) {
        __builtin_prefetch(ahead + p * t.panel_bytes + q * 64, 0, 3);
        const __m512i both = _mm512_loadu_si512(w + p * t.panel_bytes + q * 64);
        low[p] = _mm512_mullo_epi16(_mm512_and_si512(both, low_nibbles), block[p].scale[0]);
        high[p] = _mm512_mullo_epi16(_mm512_and_si512(_mm512_srli_epi16(both, 4), low_nibbles),
                                     block[p].scale[1]);
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

// kMaxRows rows by kWide panels at once; of int4 in groups of kGroup columns, or of int8 (0).
template <int64_t kGroup, int kMaxRows, int kWide>
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
    if constexpr (kGroup != 0) {
      int4_tile<kGroup, R, P>(tile);
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
