// Products on AMX tiles for int8 and progressive weights. A tile of weights is 16 channels by 64
// columns, as packed; progressive codes are expanded into such tiles once for all rows of a part.
// The sums are the same integers as everywhere.
#pragma once

#if defined(__AMX_INT8__) || defined(__AMXINT8__) || defined(AUTOGLM_EMULATED_AVX512)
#include <algorithm>
#include <type_traits>

#include "kernels/linear/amx_part.h"
#include "kernels/linear/avx512_integer.h"
#include "kernels/linear/layout.h"

namespace autoglm::amx {
namespace {

// Makes an int8 tile of a block of codes, out[16][16 channels][4 columns], in eight steps that
// stand between products. A code times its scale is at most 254 and fits a byte, so one 16-bit
// product multiplies two codes side by side; the offset is then added to bytes that wrap around.
// With each step a line of the block at `ahead` is asked for: all at once they would take every
// place for lines that are under way, and loads from the second cache would wait for memory.
template <int kBits, int64_t kGroup>
class Expansion {
 public:
  [[gnu::always_inline]] Expansion(const uint8_t* w, const uint8_t* scales, std::byte* out,
                                   const std::byte* ahead)
      : w_(w), out_(out), ahead_(ahead) {
    const __m512i low_byte = _mm512_set1_epi32(0xff);
    const __m512i every_byte = _mm512_set1_epi32(0x01010101);
    const avx512::BlockScales block = avx512::block_scales<kGroup>(scales);
    const __m512i first = _mm512_and_si512(block.offsets, low_byte);
    const __m512i second = _mm512_and_si512(_mm512_srli_epi32(block.offsets, 16), low_byte);
    for (int half = 0; half < 2; ++half) {
      scale_[half] = avx512::doubled(block.scale[half]);
      offset_[half] = _mm512_mullo_epi32(half == 0 ? first : second, every_byte);
    }
    prefetch_line(ahead + kLines * 64);
  }

  template <int kStep>
  [[gnu::always_inline]] void step(std::integral_constant<int, kStep>) const {
    if constexpr (kStep < kLines) prefetch_line(ahead_ + kStep * 64);
    const __m512i low = avx512::quad_codes<kBits, kStep>(w_);
    const __m512i high = avx512::quad_codes<kBits, kStep + 8>(w_);
    _mm512_storeu_si512(out_ + kStep * 64,
                        _mm512_add_epi8(_mm512_mullo_epi16(low, scale_[0]), offset_[0]));
    _mm512_storeu_si512(out_ + 512 + kStep * 64,
                        _mm512_add_epi8(_mm512_mullo_epi16(high, scale_[1]), offset_[1]));
  }

 private:
  static constexpr int kLines = 2 * kBits;  // of codes
  const uint8_t* w_;
  std::byte* out_;
  const std::byte* ahead_;
  __m512i scale_[2], offset_[2];
};

// Of a progressive form, or of int8 (none).
template <Progressive kForm>
struct IntegerKind {
  using Sum = int32_t;
  static constexpr bool kTwoParts = false;
  static constexpr bool kExpands = kForm.exists();

  static int64_t row_bytes(const LinearTask& task) { return task.quantized.padded_k(); }
  static TileRows rows(const LinearTask& task, int64_t row) {
    const QuantizedRows& q = task.quantized;
    const auto stride = static_cast<size_t>(q.tiled ? kTileRowBytes : q.padded_k());
    return {reinterpret_cast<const std::byte*>(q.row_values(row)), stride, q.block_stride(),
            q.tiled};
  }
  // The intrinsics take literals only.
  template <int kSum>
  static void multiply() {
    if constexpr (kSum == 0) _tile_dpbssd(0, 4, 6);
    if constexpr (kSum == 1) _tile_dpbssd(1, 4, 7);
    if constexpr (kSum == 2) _tile_dpbssd(2, 5, 6);
    if constexpr (kSum == 3) _tile_dpbssd(3, 5, 7);
  }
  static constexpr layout::ProgressivePanel panel_of(int64_t n_tiles) {
    return {.form = kForm, .n_blocks = n_tiles};
  }
  // A block in a longer group has one scale and offset, whatever the group's length.
  [[gnu::always_inline]] static Expansion<kForm.bits, kForm.group_size == 32 ? 32 : 64> expansion(
      const std::byte* panel, int64_t tile, int64_t n_tiles, std::byte* out,
      const std::byte* ahead) {
    const layout::ProgressivePanel at = panel_of(n_tiles);
    const auto* from = reinterpret_cast<const uint8_t*>(panel);
    return {from + at.codes_at(tile), from + at.scales_at(tile), out, ahead};
  }
  static constexpr int64_t packed_bytes() {
    return kExpands ? panel_of(0).mean_block_bytes() : kTileBytes;
  }
};

// Two panels of expanded tiles.
inline int64_t integer_scratch_bytes(WeightFormat format, int64_t k) {
  if (!progressive_form(format).exists()) return 0;
  return 2 * std::max(kPlaces, QuantizedRows::padded(k) / kTileRowBytes) * kTileBytes;
}

inline void run_integer(const LinearTask& task, const LinearPart& part, std::byte* scratch) {
  if (!progressive_form(task.format).exists()) {
    return TilePart<IntegerKind<Progressive{}>>(task, part, scratch).run();
  }
  with_progressive(task.format, [&]<Progressive kForm>() {
    TilePart<IntegerKind<kForm>>(task, part, scratch).run();
  });
}

}  // namespace
}  // namespace autoglm::amx
#endif
