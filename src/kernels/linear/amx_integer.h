// Products on AMX tiles for int8 and int4 weights. A tile of weights is 16 channels by 64 columns,
// as packed; int4 is expanded into such tiles once for all rows of a part. The sums are the same
// integers as everywhere.
#pragma once

#if defined(__AMX_INT8__) || defined(__AMXINT8__) || defined(AUTOGLM_EMULATED_AVX512)
#include <algorithm>

#include "kernels/linear/amx_part.h"
#include "kernels/linear/layout.h"

namespace autoglm::amx {
namespace {

// A block of int4 as an int8 tile: out[16][16 channels][4 columns]. A code times its scale is at
// most 15 * 16 and fits a byte, so one 16-bit product multiplies two codes side by side; the offset
// is then added to bytes that wrap around. The block at `ahead` is asked for, a line at a time
// between the others' work: all at once they would take every place for lines that are under way,
// and loads from the second cache would wait for memory.
inline void expand_int4(const std::byte* block, std::byte* out, const std::byte* ahead) {
  const __m512i low_nibbles = _mm512_set1_epi32(0x0f0f0f0f);
  const __m512i low_byte = _mm512_set1_epi32(0xff);
  const __m512i every_byte = _mm512_set1_epi32(0x01010101);
  const auto* w = reinterpret_cast<const uint8_t*>(block);
  const auto* scales = reinterpret_cast<const __m128i*>(w + layout::kInt4Scales);
  // Both offsets of a channel, each in a half of its lane.
  const __m512i offsets = _mm512_cvtepi8_epi16(
      _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w + layout::kInt4Offsets)));
  const __m512i offset[2] = {
      _mm512_mullo_epi32(_mm512_and_si512(offsets, low_byte), every_byte),
      _mm512_mullo_epi32(_mm512_and_si512(_mm512_srli_epi32(offsets, 16), low_byte), every_byte)};
  __m512i scale[2];
  for (int g = 0; g < 2; ++g) {
    scale[g] = _mm512_cvtepu8_epi32(_mm_loadu_si128(scales + g));
    scale[g] = _mm512_or_si512(scale[g], _mm512_slli_epi32(scale[g], 16));
  }
  prefetch_line(ahead + layout::kInt4Scales);
  for (int q = 0; q < 8; ++q) {
    prefetch_line(ahead + q * 64);
    const __m512i both = _mm512_loadu_si512(w + q * 64);
    const __m512i low = _mm512_and_si512(both, low_nibbles);
    const __m512i high = _mm512_and_si512(_mm512_srli_epi16(both, 4), low_nibbles);
    _mm512_storeu_si512(out + q * 64,
                        _mm512_add_epi8(_mm512_mullo_epi16(low, scale[0]), offset[0]));
    _mm512_storeu_si512(out + 512 + q * 64,
                        _mm512_add_epi8(_mm512_mullo_epi16(high, scale[1]), offset[1]));
  }
}

struct IntegerKind {
  using Sum = int32_t;
  static constexpr bool kTwoParts = false;

  static int64_t row_bytes(const LinearTask& task) { return task.quantized.padded_k(); }
  static TileRows rows(const LinearTask& task, int64_t row) {
    const QuantizedRows& q = task.quantized;
    const auto stride = static_cast<size_t>(q.tiled ? kTileRowBytes : q.padded_k());
    return {reinterpret_cast<const std::byte*>(q.row_values(row)), stride, q.block_stride(),
            q.tiled};
  }
  static void multiply_upper() {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
  }
  static void multiply_lower() {
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
  static bool expands(const LinearTask& task) { return task.format == WeightFormat::kInt4; }
  static void expand(const std::byte* packed, std::byte* out, const std::byte* ahead) {
    expand_int4(packed, out, ahead);
  }
  static int64_t packed_bytes(const LinearTask& task) {
    return expands(task) ? layout::kInt4BlockBytes : kTileBytes;
  }
  // Two panels of expanded tiles.
  static int64_t scratch_bytes(WeightFormat format, int64_t k) {
    if (format != WeightFormat::kInt4) return 0;
    return 2 * std::max(kPlaces, QuantizedRows::padded(k) / kTileRowBytes) * kTileBytes;
  }
};

inline void run_integer(const LinearTask& task, const LinearPart& part, std::byte* scratch) {
  TilePart<IntegerKind>(task, part, scratch).run();
}

}  // namespace
}  // namespace autoglm::amx
#endif
