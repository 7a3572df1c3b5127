// AVX-512 VNNI micro-kernels for int8 and progressive weights: vpdpbusd multiplies unsigned by
// signed bytes and adds four products to an int32 a lane, a lane being one output channel.
#pragma once

#if defined(__AVX512VNNI__) || defined(AUTOGLM_EMULATED_AVX512)
#include <bit>
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

// sum + weights * the four bytes at `x`, sixteen times. The compiler loads and spreads them by an
// instruction of its own, which the product can do in passing.
inline __m512i add_quad_products(__m512i sum, __m512i weights, const int8_t* x) {
#ifdef AUTOGLM_EMULATED_AVX512
  return _mm512_dpbusd_epi32(sum, weights, broadcast_quad(x));
#else
  using Quad [[gnu::may_alias, gnu::aligned(1)]] = int32_t;
  __asm__("vpdpbusd %2%{1to16%}, %1, %0"
          : "+v"(sum)
          : "v"(weights), "m"(*reinterpret_cast<const Quad*>(x)));
  return sum;
#endif
}

inline __m512i every_byte(int value) {
  return _mm512_set1_epi32(static_cast<int>(static_cast<uint32_t>(value) * 0x01010101U));
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
  __m512i scale[2];  // in the low half of a lane
  __m512i offsets;   // in one half of a lane each
};

template <int64_t kGroup>
BlockScales block_scales(const uint8_t* scales) {
  const auto* parts = reinterpret_cast<const __m128i*>(scales);
  BlockScales out;
  for (int half = 0; half < (kGroup == 32 ? 2 : 1); ++half) {
    out.scale[half] = _mm512_cvtepu8_epi32(_mm_loadu_si128(parts + half));
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

// A number in both halves of its lane.
inline __m512i doubled(__m512i low_half) {
  return _mm512_or_si512(low_half, _mm512_slli_epi32(low_half, 16));
}

// Bits of the codes of four columns, a byte each, in their places.
template <layout::CodePiece kPiece>
__m512i piece_codes(const uint8_t* block) {
  constexpr int kUp = kPiece.first_bit - kPiece.at;
  __m512i bits = _mm512_loadu_si512(block + kPiece.line * 64);
  if constexpr (kUp < 0) bits = _mm512_srli_epi16(bits, -kUp);
  if constexpr (kUp > 0) bits = _mm512_slli_epi16(bits, kUp);
  return _mm512_and_si512(bits, every_byte(kPiece.mask() << kPiece.first_bit));
}

// Codes of kBits bits of the columns 4 kQuad..4 kQuad + 3 of a block.
template <int kBits, int kQuad>
__m512i quad_codes(const uint8_t* block) {
  constexpr auto kPieces = layout::code_pieces(kBits, kQuad);
  const __m512i codes = piece_codes<kPieces[0]>(block);
  if constexpr (kPieces[1].bits == 0) return codes;
  const __m512i rest = piece_codes<kPieces[1]>(block);
  return _mm512_or_si512(codes, rest);
}

// How many bits too high the codes of a half of a block lie in their bytes: bit h for h bits.
constexpr int places_of(int bits, int half) {
  int places = 0;
  for (int quad = half * 8; quad < half * 8 + 8; ++quad) {
    for (const layout::CodePiece& piece : layout::code_pieces(bits, quad)) {
      if (piece.bits != 0) places |= 1 << (piece.at - piece.first_bit);
    }
  }
  return places;
}

constexpr int kPlaces = 8;

// A piece of the codes of P panels by the activations of one row.
template <layout::CodePiece kPiece, int P>
[[gnu::always_inline]] inline void add_piece(const uint8_t* w, int64_t panel_bytes, __m512i value,
                                             __m512i (&high)[P][kPlaces]) {
  const __m512i mask = every_byte(kPiece.mask() << kPiece.at);
  unroll<P>([&](auto p) {
    const __m512i line = _mm512_loadu_si512(w + p * panel_bytes + kPiece.line * 64);
    const __m512i codes = _mm512_and_si512(line, mask);
    __m512i& sum = high[p][kPiece.at - kPiece.first_bit];
    sum = _mm512_dpbusd_epi32(sum, codes, value);
  });
}

// sum += codes of half kHalf of a block by the activations of one row, times the half's scale.
// Codes are taken where they lie in their bytes; those that are alike too high are summed apart
// from others, and their sums shifted down; codes of five bits, whose last bit may lie anywhere,
// are joined first. `w` and `scale` of P panels; also(quad) for each quad.
template <int kBits, int kHalf, int P, class Also>
[[gnu::always_inline]] inline void add_half(const uint8_t* w, int64_t panel_bytes,
                                            const __m512i (&scale)[P], const int8_t* x,
                                            __m512i (&sum)[P], const Also& also) {
  constexpr bool kJoined = kBits > 4;
  constexpr int kUsed = kJoined ? 1 : places_of(kBits, kHalf);
  __m512i high[P][kPlaces];
  unroll<P * kPlaces>([&](auto i) { high[i / kPlaces][i % kPlaces] = _mm512_setzero_si512(); });
  unroll<8>([&](auto i) __attribute__((always_inline)) {
    constexpr int kQuad = kHalf * 8 + i;
    also(std::integral_constant<int, kQuad>());
    const __m512i value = broadcast_quad(x + kQuad * 4);
    if constexpr (kJoined) {
      unroll<P>([&](auto p) {
        const __m512i codes = quad_codes<kBits, kQuad>(w + p * panel_bytes);
        high[p][0] = _mm512_dpbusd_epi32(high[p][0], codes, value);
      });
    } else {
      add_piece<layout::code_pieces(kBits, kQuad)[0]>(w, panel_bytes, value, high);
      if constexpr (layout::code_pieces(kBits, kQuad)[1].bits != 0) {
        add_piece<layout::code_pieces(kBits, kQuad)[1]>(w, panel_bytes, value, high);
      }
    }
  });
  unroll<P>([&](auto p) {
    // From place to place downwards, each a multiple of what it is shifted by.
    __m512i total = _mm512_setzero_si512();
    unroll<kPlaces>([&](auto i) {
      constexpr int kPlace = kPlaces - 1 - i;
      if constexpr ((kUsed >> kPlace & 1) != 0) {
        constexpr int kLower = kUsed & ((1 << kPlace) - 1);
        constexpr int kDown =
            kPlace - (kLower == 0 ? 0 : std::bit_width(static_cast<unsigned>(kLower)) - 1);
        total = _mm512_add_epi32(total, high[p][kPlace]);
        if constexpr (kDown > 0) total = _mm512_srai_epi32(total, kDown);
      }
    });
    // Up to 7 * 127 * 32 the total is an int16, and one vpdpwssd multiplies it with the scale.
    if constexpr (kBits < 4) {
      sum[p] = _mm512_dpwssd_epi32(sum[p], total, scale[p]);
    } else {
      sum[p] = _mm512_add_epi32(sum[p], _mm512_mullo_epi32(total, scale[p]));
    }
  });
}

// The same for R rows: a code times its group's scale is at most 254, so that one 16-bit product
// makes two unsigned bytes side by side, once for all rows. `scale` in both halves of its lanes.
template <int kBits, int kHalf, int R, int P, class Also>
[[gnu::always_inline]] inline void add_scaled_half(const uint8_t* w, int64_t panel_bytes,
                                                   const __m512i (&scale)[P], const int8_t* x,
                                                   int64_t x_stride, __m512i (&sum)[R][P],
                                                   const Also& also) {
  unroll<8>([&](auto i) __attribute__((always_inline)) {
    constexpr int kQuad = kHalf * 8 + i;
    also(std::integral_constant<int, kQuad>());
    __m512i weight[P];
    unroll<P>([&](auto p) {
      const __m512i codes = quad_codes<kBits, kQuad>(w + p * panel_bytes);
      weight[p] = _mm512_mullo_epi16(codes, scale[p]);
    });
    unroll<R>([&](auto r) {
      const __m512i value = broadcast_quad(x + r * x_stride + kQuad * 4);
      unroll<P>([&](auto p) { sum[r][p] = _mm512_dpbusd_epi32(sum[r][p], weight[p], value); });
    });
  });
}

// The offsets meet the sums of the activations, both halves of a block in one vpdpwssd.
template <Progressive kForm, int R, int P>
void progressive_tile(const IntegerTile& t) {
  const layout::ProgressivePanel at{.form = kForm, .n_blocks = t.padded_k / 64};
  // Weights come from memory: so many blocks ahead, after the last the next panels' first. A line
  // at a time between the work: many at once would take every place for lines that are under way.
  constexpr int64_t kAhead = 6;
  constexpr int kLines = 2 * kForm.bits + (kForm.group_size == 64 ? 2 : 1);
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
    // A block's lines, spread over its quads.
    const auto ask_ahead = [&](auto quad) __attribute__((always_inline)) {
      constexpr int kFirst = quad * kLines / 16;
      constexpr int kLast = (quad + 1) * kLines / 16;
      if constexpr (kLast > kFirst) {
        unroll<P>(
            [&](auto p) { __builtin_prefetch(ahead + p * t.panel_bytes + kFirst * 64, 0, 3); });
      }
    };
    __m512i scale[2][P];
    unroll<P>([&](auto p) {
      const BlockScales block = block_scales<kForm.group_size>(scales + p * t.panel_bytes);
      for (int half = 0; half < 2; ++half) {
        scale[half][p] = R == 1 ? block.scale[half] : doubled(block.scale[half]);
      }
      unroll<R>([&](auto r) {
        const __m512i groups = broadcast_quad(t.group_sums + r * n_groups + b * 2);
        sum[r][p] = _mm512_dpwssd_epi32(sum[r][p], block.offsets, groups);
      });
    });
    unroll<2>([&](auto half) __attribute__((always_inline)) {
      // One row's sums cost less to scale than the weights.
      if constexpr (R == 1) {
        add_half<kForm.bits, half>(w, t.panel_bytes, scale[half], x, sum[0], ask_ahead);
      } else {
        add_scaled_half<kForm.bits, half>(w, t.panel_bytes, scale[half], x, t.padded_k, sum,
                                          ask_ahead);
      }
    });
  }
  unroll<R * P>([&](auto i) {
    _mm512_storeu_si512(t.out + i / P * t.out_stride + i % P * 16, sum[i / P][i % P]);
  });
}

// kMaxRows rows by kWide panels at once; of a progressive form, or of int8 (none).
template <Progressive kForm, int kMaxRows, int kWide>
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
    if constexpr (kForm.exists()) {
      progressive_tile<kForm, R, P>(tile);
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
