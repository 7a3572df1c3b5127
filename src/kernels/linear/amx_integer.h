// Products on AMX tiles for int8 and int4 weights. A tile of weights is 16 channels by 64 columns,
// as packed; int4 is expanded into such tiles once for all rows of a part. The sums are the same
// integers as everywhere.
#pragma once

#if defined(__AMX_INT8__) || defined(__AMXINT8__) || defined(AUTOGLM_EMULATED_AVX512)
#include <algorithm>

#include "kernels/linear/amx_part.h"
#include "kernels/linear/avx512_integer.h"
#include "kernels/linear/layout.h"

namespace autoglm::amx {
namespace {

// A block of int4 as an int8 tile: out[16][16 channels][4 columns]. A code times its scale is at
// most 15 * 16 and fits a byte, so one 16-bit product multiplies two codes side by side; the offset
// is then added to bytes that wrap around. The block at `ahead` is asked for, a line at a time
// between the others' work: all at once they would take every place for lines that are under way,
// and loads from the second cache would wait for memory.
template <int64_t kGroup>
void expand_int4(const uint8_t* w, const uint8_t* scales, std::byte* out, const std::byte* ahead) {
  const __m512i low_nibbles = _mm512_set1_epi32(0x0f0f0f0f);
  const __m512i low_byte = _mm512_set1_epi32(0xff);
  const __m512i every_byte = _mm512_set1_epi32(0x01010101);
  const auto [scale, offsets] = avx512::block_scales<kGroup>(scales);
  const __m512i offset[2] = {
      _mm512_mullo_epi32(_mm512_and_si512(offsets, low_byte), every_byte),
      _mm512_mullo_epi32(_mm512_and_si512(_mm512_srli_epi32(offsets, 16), low_byte), every_byte)};
  prefetch_line(ahead + layout::kInt4CodeBytes);
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
  static layout::Int4Panel int4_panel(const LinearTask& task) {
    return {.group = int4_group_size(task.format),
            .n_blocks = task.quantized.padded_k() / kTileRowBytes};
  }
  static bool expands(const LinearTask& task) { return int4_group_size(task.format) != 0; }
  static void expand(const LinearTask& task, const std::byte* panel, int64_t tile, std::byte* out,
                     const std::byte* ahead) {
    const layout::Int4Panel at = int4_panel(task);
    const auto* from = reinterpret_cast<const uint8_t*>(panel);
    const uint8_t* w = from + at.codes_at(tile);
    const uint8_t* scales = from + at.scales_at(tile);
    if (at.group == 32) return expand_int4<32>(w, scales, out, ahead);
    // A block in a longer group has one scale and offset, whatever the group's length.
    expand_int4<64>(w, scales, out, ahead);
  }
  static int64_t packed_bytes(const LinearTask& task) {
    return expands(task) ? int4_panel(task).mean_block_bytes() : kTileBytes;
  }
  // Two panels of expanded tiles.
  static int64_t scratch_bytes(WeightFormat format, int64_t k) {
    if (int4_group_size(format) == 0) return 0;
    return 2 * std::max(kPlaces, QuantizedRows::padded(k) / kTileRowBytes) * kTileBytes;
  }
};

inline void run_integer(const LinearTask& task, const LinearPart& part, std::byte* scratch) {
  TilePart<IntegerKind>(task, part, scratch).run();
}

}  // namespace
}  // namespace autoglm::amx
#endif
