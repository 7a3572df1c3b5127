// AVX2 micro-kernels for int8 and progressive weights: exact sums in int32, lanes are output
// channels.
#pragma once

#ifdef __AVX2__
#include <cstring>

#include "kernels/linear/layout.h"
#include "kernels/linear/panel_kernels.h"
#include "kernels/simd/avx2.h"
#include "kernels/simd/unroll.h"

namespace autoglm::avx2 {
namespace {

inline __m256i load_256(const void* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
inline __m128i load_128(const void* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
template <class T>
T load_as(const void* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

// sum += a * b: pairs of int16 to int32, and pairs of unsigned and signed int8 to int16. The
// additions are spelled out because the compiler regroups those of an unrolled loop, keeps all
// products and spills them.
inline void add_products(__m256i& sum, __m256i a, __m256i b) {
  __m256i next = sum;
  asm("vpaddd %1, %0, %0" : "+x"(next) : "x"(_mm256_madd_epi16(a, b)));
  sum = next;
}
inline void add_byte_products(__m256i& sum, __m256i a, __m256i b) {
  __m256i next = sum;
  asm("vpaddw %1, %0, %0" : "+x"(next) : "x"(_mm256_maddubs_epi16(a, b)));
  sum = next;
}

// int8 by int16 pairs. A load of 16 weights is 4 channels by 4 columns; widened to int16, one
// vpmaddwd with 4 activations leaves two sums a channel, joined at the end. |w| and |x| are at most
// 127: no pair overflows. Covers 4 * kLoads channels of R rows; 6 x 2 sums, 2 weights, an
// activation and a product fill 16 registers.
template <int R, int kLoads>
void int8_tile(const int8_t* w, const int16_t* x, int64_t x_stride, int64_t n_quads, int32_t* out,
               int64_t out_stride) {
  __m256i sum[R][kLoads];
  for (int r = 0; r < R; ++r) {
    for (int j = 0; j < kLoads; ++j) sum[r][j] = _mm256_setzero_si256();
  }
  for (int64_t q = 0; q < n_quads; ++q) {
    __m256i weight[kLoads];
    for (int j = 0; j < kLoads; ++j) {
      weight[j] = _mm256_cvtepi8_epi16(load_128(w + q * 64 + j * 16));
    }
    for (int r = 0; r < R; ++r) {
      const __m256i value = _mm256_set1_epi64x(load_as<int64_t>(x + r * x_stride + q * 4));
      for (int j = 0; j < kLoads; ++j) add_products(sum[r][j], weight[j], value);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int j = 0; j < kLoads / 2; ++j) {
      // Adding neighbours leaves the channels as 0 1 4 5 2 3 6 7.
      const __m256i joined =
          _mm256_permute4x64_epi64(_mm256_hadd_epi32(sum[r][2 * j], sum[r][2 * j + 1]), 0xd8);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + r * out_stride + j * 8), joined);
    }
  }
}

template <int R>
void int8_panel(const int8_t* w, const int16_t* x, int64_t k, int32_t* out, int64_t out_stride) {
  if constexpr (R <= 2) {
    int8_tile<R, 4>(w, x, k, k / 4, out, out_stride);
  } else {
    int8_tile<R, 2>(w, x, k, k / 4, out, out_stride);
    int8_tile<R, 2>(w + 32, x, k, k / 4, out + 8, out_stride);
  }
}

struct Int8Micro {
  using Sum = int32_t;
  static constexpr int64_t kRows = 6;
  static constexpr int64_t kPanels = 2;
  const LinearTask& task;
  const LinearPart& part;
  int64_t padded_k;
  const int16_t* wide;  // the part's rows in int16

  Int8Micro(const LinearTask& t, const LinearPart& p, std::byte* scratch)
      : task(t), part(p), padded_k(t.quantized.padded_k()) {
    auto* out = reinterpret_cast<int16_t*>(scratch);
    const int8_t* in = task.quantized.values + part.row_begin * padded_k;
    for (int64_t i = 0; i < (part.row_end - part.row_begin) * padded_k; i += 16) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i),
                          _mm256_cvtepi8_epi16(load_128(in + i)));
    }
    wide = out;
  }

  void tile(int64_t row, int64_t n_rows, int64_t panel, int64_t n_panels, int32_t* out) const {
    const int16_t* x = wide + (row - part.row_begin) * padded_k;
    const int64_t stride = n_panels * 16;
    for (int64_t p = 0; p < n_panels; ++p, out += 16) {
      const auto* w = reinterpret_cast<const int8_t*>(task.panels + (panel + p) * task.panel_bytes);
      switch (n_rows) {
        case 6: int8_panel<6>(w, x, padded_k, out, stride); break;
        case 5: int8_panel<5>(w, x, padded_k, out, stride); break;
        case 4: int8_panel<4>(w, x, padded_k, out, stride); break;
        case 3: int8_panel<3>(w, x, padded_k, out, stride); break;
        case 2: int8_panel<2>(w, x, padded_k, out, stride); break;
        default: int8_panel<1>(w, x, padded_k, out, stride); break;
      }
    }
  }
};

// One panel of progressive codes against some rows.
struct CodeRows {
  const uint8_t* w;
  const int8_t* x;
  const int16_t* group_sums;
  int64_t padded_k;
  int32_t* out;
  int64_t out_stride;
};

// Bits of the codes of four columns of 8 channels, a byte each, in their places.
template <layout::CodePiece kPiece>
__m256i piece_codes(const uint8_t* block, int half) {
  constexpr int kUp = kPiece.first_bit - kPiece.at;
  __m256i bits = load_256(block + kPiece.line * 64 + half * 32);
  if constexpr (kUp < 0) bits = _mm256_srli_epi16(bits, -kUp);
  if constexpr (kUp > 0) bits = _mm256_slli_epi16(bits, kUp);
  return _mm256_and_si256(bits,
                          _mm256_set1_epi8(static_cast<char>(kPiece.mask() << kPiece.first_bit)));
}

// Codes of kBits bits of the columns 4 kQuad..4 kQuad + 3 of a block.
template <int kBits, int kQuad>
__m256i quad_codes(const uint8_t* block, int half) {
  constexpr auto kPieces = layout::code_pieces(kBits, kQuad);
  const __m256i codes = piece_codes<kPieces[0]>(block, half);
  if constexpr (kPieces[1].bits == 0) return codes;
  return _mm256_or_si256(codes, piece_codes<kPieces[1]>(block, half));
}

// Half kHalf of a block, 32 columns: unsigned codes by signed activations (vpmaddubsw). A pair is
// at most 2 * 15 * 127 and 8 of them fit int16, of five bits 2 * 31 * 127 and 4; vpmaddwd by the
// group's scale joins and scales in one.
template <int kBits, int R, int kHalf>
void group_products(const CodeRows& panel, const uint8_t* w, const uint8_t* group_scales,
                    const int8_t* x, __m256i sum[R][2]) {
  constexpr int kQuads = kBits > 4 ? 4 : 8;  // that fit
  // Byte i of 8 scales to both halves of int32 i.
  const __m256i spread = _mm256_setr_epi8(0, -1, 0, -1, 1, -1, 1, -1, 2, -1, 2, -1, 3, -1, 3, -1, 4,
                                          -1, 4, -1, 5, -1, 5, -1, 6, -1, 6, -1, 7, -1, 7, -1);
  const __m128i scales = load_128(group_scales);
  const __m256i low = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(scales), spread);
  const __m256i high =
      _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_srli_si128(scales, 8)), spread);
  unroll<8 / kQuads>([&](auto part) {
    __m256i pairs[R][2];
    for (int r = 0; r < R; ++r) pairs[r][0] = pairs[r][1] = _mm256_setzero_si256();
    unroll<kQuads>([&](auto i) {
      constexpr int kQuad = part * kQuads + i;
      __m256i code[2];
      for (int h = 0; h < 2; ++h) code[h] = quad_codes<kBits, kHalf * 8 + kQuad>(w, h);
      for (int r = 0; r < R; ++r) {
        const __m256i value =
            _mm256_set1_epi32(load_as<int32_t>(x + r * panel.padded_k + kQuad * 4));
        for (int h = 0; h < 2; ++h) add_byte_products(pairs[r][h], code[h], value);
      }
    });
    for (int r = 0; r < R; ++r) {
      add_products(sum[r][0], pairs[r][0], low);
      add_products(sum[r][1], pairs[r][1], high);
    }
  });
}

// The offsets of 8 channels, from `half` * 8 on, for both halves of a block.
template <int64_t kGroup>
__m256i group_offsets(const uint8_t* scales, int half) {
  if constexpr (kGroup == 32) return _mm256_cvtepi8_epi16(load_128(scales + 32 + half * 16));
  const __m128i one = _mm_cvtsi64_si128(load_as<int64_t>(scales + 16 + half * 8));
  return _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(one, one));
}

template <Progressive kForm, int R>
void progressive_tile(const CodeRows& panel) {
  const int64_t n_groups = panel.padded_k / QuantizedRows::kGroup;
  __m256i sum[R][2];
  for (int r = 0; r < R; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
  const layout::ProgressivePanel at{.form = kForm, .n_blocks = n_groups / 2};
  for (int64_t b = 0; b < n_groups / 2; ++b) {
    const uint8_t* w = panel.w + at.codes_at(b);
    const uint8_t* scales = panel.w + at.scales_at(b);
    const uint8_t* second = kForm.group_size == 32 ? scales + 16 : scales;
    group_products<kForm.bits, R, 0>(panel, w, scales, panel.x + b * 64, sum);
    group_products<kForm.bits, R, 1>(panel, w, second, panel.x + b * 64 + 32, sum);
    // The offsets meet the sums of the activations, both halves of a block at once.
    for (int h = 0; h < 2; ++h) {
      const __m256i offsets = group_offsets<kForm.group_size>(scales, h);
      for (int r = 0; r < R; ++r) {
        const auto both_groups = load_as<int32_t>(panel.group_sums + r * n_groups + b * 2);
        add_products(sum[r][h], offsets, _mm256_set1_epi32(both_groups));
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int h = 0; h < 2; ++h) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(panel.out + r * panel.out_stride + h * 8),
                          sum[r][h]);
    }
  }
}

template <Progressive kForm>
struct ProgressiveMicro {
  using Sum = int32_t;
  // 6 x 2 sums of pairs, 2 codes, an activation and a product fill 16 registers.
  static constexpr int64_t kRows = 6;
  static constexpr int64_t kPanels = 2;
  const LinearTask& task;

  ProgressiveMicro(const LinearTask& t, const LinearPart&, std::byte*) : task(t) {}

  void tile(int64_t row, int64_t n_rows, int64_t panel, int64_t n_panels, int32_t* out) const {
    const int64_t padded_k = task.quantized.padded_k();
    for (int64_t p = 0; p < n_panels; ++p) {
      const CodeRows work{
          .w = reinterpret_cast<const uint8_t*>(task.panels + (panel + p) * task.panel_bytes),
          .x = task.quantized.values + row * padded_k,
          .group_sums = task.quantized.group_sums + row * (padded_k / QuantizedRows::kGroup),
          .padded_k = padded_k,
          .out = out + p * 16,
          .out_stride = n_panels * 16};
      switch (n_rows) {
        case 6: progressive_tile<kForm, 6>(work); break;
        case 5: progressive_tile<kForm, 5>(work); break;
        case 4: progressive_tile<kForm, 4>(work); break;
        case 3: progressive_tile<kForm, 3>(work); break;
        case 2: progressive_tile<kForm, 2>(work); break;
        default: progressive_tile<kForm, 1>(work); break;
      }
    }
  }
};

}  // namespace
}  // namespace autoglm::avx2
#endif
