// The AMX micro-kernel for int8 and int4 weights. A tile of weights is 16 channels by 64 columns,
// as packed; int4 is expanded into such tiles once for all rows of a part. The sums are the same
// integers as everywhere.
#pragma once

// clang 14 spells the macro without the underscore inside.
#if defined(__AMX_INT8__) || defined(__AMXINT8__) || defined(AUTOGLM_EMULATED_AVX512)
#include "kernels/linear/avx512_integer.h"

namespace autoglm::amx {
namespace {

// 64 bytes that _tile_loadconfig reads (Intel SDM, LDTILECFG).
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

// Tiles 0..3: sums of the upper and lower rows by two panels; 4, 5: activations; 6, 7: weights.
inline void configure(int64_t upper_rows, int64_t lower_rows) {
  TileConfig config;
  const auto set = [&](int tile, int64_t rows) {
    config.rows[tile] = static_cast<uint8_t>(rows);
    config.row_bytes[tile] = 64;
  };
  for (const int tile : {0, 1, 4}) set(tile, upper_rows);
  // A tile that is not used still needs a row.
  for (const int tile : {2, 3, 5}) set(tile, lower_rows > 0 ? lower_rows : 1);
  for (const int tile : {6, 7}) set(tile, 16);
  // g++ 12 believes that the instruction reads 8 bytes and drops the stores that fill the rest.
  asm volatile("" ::"r"(&config) : "memory");
  _tile_loadconfig(&config);
}

// One panel of int4 as int8 tiles: out[padded_k / 4][16 channels][4 columns].
inline void expand_int4(const std::byte* panel, int64_t padded_k, int8_t* out) {
  const __m512i low_nibbles = _mm512_set1_epi32(0x0f0f0f0f);
  const __m512i even_bytes = _mm512_set1_epi32(0x00ff00ff);
  const auto* w = reinterpret_cast<const uint8_t*>(panel);
  for (int64_t b = 0; b < padded_k / 64; ++b, w += layout::kInt4BlockBytes, out += 1024) {
    const auto* meta = reinterpret_cast<const __m128i*>(w + layout::kInt4Scales);
    const __m512i offsets = _mm512_cvtepi8_epi16(
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w + layout::kInt4Offsets)));
    for (int g = 0; g < 2; ++g) {
      // Scale and offset of each channel in both int16 of its lane.
      __m512i scale = _mm512_cvtepu8_epi32(_mm_loadu_si128(meta + g));
      scale = _mm512_or_si512(scale, _mm512_slli_epi32(scale, 16));
      const __m512i low_half = _mm512_set1_epi32(0xffff);
      __m512i offset =
          g == 0 ? _mm512_and_si512(offsets, low_half) : _mm512_srli_epi32(offsets, 16);
      offset = _mm512_or_si512(offset, _mm512_slli_epi32(offset, 16));
      for (int q = 0; q < 8; ++q) {
        __m512i code = _mm512_loadu_si512(w + q * 64);
        code = _mm512_and_si512(g == 0 ? code : _mm512_srli_epi16(code, 4), low_nibbles);
        // Even and odd columns apart, in int16; each result fits a byte.
        __m512i even = _mm512_mullo_epi16(_mm512_and_si512(code, even_bytes), scale);
        __m512i odd = _mm512_mullo_epi16(_mm512_srli_epi16(code, 8), scale);
        even = _mm512_and_si512(_mm512_add_epi16(even, offset), even_bytes);
        odd = _mm512_slli_epi16(_mm512_add_epi16(odd, offset), 8);
        _mm512_storeu_si512(out + (g * 8 + q) * 64, _mm512_or_si512(even, odd));
      }
    }
  }
}

class IntegerMicro {
 public:
  using Sum = int32_t;
  static constexpr int64_t kRows =
      32;  // two tiles of activations, so that each load serves two products
  static constexpr int64_t kPanels = 2;

  IntegerMicro(const LinearTask& task, const LinearPart&, std::byte* scratch)
      : task_(task), expanded_(reinterpret_cast<int8_t*>(scratch)) {}
  ~IntegerMicro() { _tile_release(); }
  IntegerMicro(const IntegerMicro&) = delete;
  IntegerMicro& operator=(const IntegerMicro&) = delete;

  // Of a part: two panels of int8.
  static int64_t scratch_bytes(WeightFormat format, int64_t k) {
    return format == WeightFormat::kInt4 ? 2 * 16 * QuantizedRows::padded(k) : 0;
  }

  void tile(int64_t row, int64_t n_rows, int64_t panel, int64_t n_panels, int32_t* out) {
    const int64_t padded_k = task_.quantized.padded_k();
    const int64_t upper = n_rows < 16 ? n_rows : 16;
    const int64_t lower = n_rows - upper;
    if (n_rows != configured_rows_) configure(upper, lower);
    configured_rows_ = n_rows;
    const int8_t* first = weights(panel, 0);
    const int8_t* second = n_panels > 1 ? weights(panel, 1) : first;
    expanded_panel_ = panel;
    const int8_t* x = task_.quantized.values + row * padded_k;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t k = 0; k < padded_k; k += 64) {
      _tile_loadd(6, first + k * 16, 64);
      _tile_loadd(7, second + k * 16, 64);
      _tile_loadd(4, x + k, static_cast<size_t>(padded_k));
      _tile_dpbssd(0, 4, 6);
      _tile_dpbssd(1, 4, 7);
      if (lower > 0) {
        _tile_loadd(5, x + 16 * padded_k + k, static_cast<size_t>(padded_k));
        _tile_dpbssd(2, 5, 6);
        _tile_dpbssd(3, 5, 7);
      }
    }
    const auto stride = static_cast<size_t>(n_panels * 64);
    _tile_stored(0, out, stride);
    if (n_panels > 1) _tile_stored(1, out + 16, stride);
    if (lower > 0) {
      int32_t* below = out + 16 * n_panels * 16;
      _tile_stored(2, below, stride);
      if (n_panels > 1) _tile_stored(3, below + 16, stride);
    }
  }

 private:
  // Panel `panel + i` in int8: as it lies, or expanded if that was not done for the rows before.
  const int8_t* weights(int64_t panel, int64_t i) {
    const std::byte* packed = task_.panels + (panel + i) * task_.panel_bytes;
    if (task_.format == WeightFormat::kInt8) return reinterpret_cast<const int8_t*>(packed);
    const int64_t padded_k = task_.quantized.padded_k();
    int8_t* out = expanded_ + i * 16 * padded_k;
    if (expanded_panel_ != panel) expand_int4(packed, padded_k, out);
    return out;
  }

  const LinearTask& task_;
  int8_t* expanded_;
  int64_t expanded_panel_ = -1;
  int64_t configured_rows_ = 0;
};

}  // namespace
}  // namespace autoglm::amx
#endif
