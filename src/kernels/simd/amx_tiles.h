// What the AMX kernels share: the configuration of the tile registers, asking for tiles ahead, and
// rounding to bf16.
#pragma once

// clang 14 spells the macro without the underscore inside.
#if defined(__AMX_INT8__) || defined(__AMXINT8__) || defined(AUTOGLM_EMULATED_AVX512)
#ifndef AUTOGLM_EMULATED_AVX512
#include <immintrin.h>
#endif

#include <bit>
#include <cstddef>
#include <cstdint>

namespace autoglm::amx {
namespace {

constexpr int64_t kTileRows = 16;
constexpr int64_t kTileRowBytes = 64;
constexpr int64_t kTileBytes = kTileRows * kTileRowBytes;

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
class SumsOfTwoByTwo {
 public:
  SumsOfTwoByTwo() = default;
  ~SumsOfTwoByTwo() { _tile_release(); }
  SumsOfTwoByTwo(const SumsOfTwoByTwo&) = delete;
  SumsOfTwoByTwo& operator=(const SumsOfTwoByTwo&) = delete;

  // For n_rows rows, 1 to 32: as many as there are, since a product's time grows with its rows.
  void configure(int64_t n_rows) {
    if (n_rows == configured_) return;
    configured_ = n_rows;
    const int64_t upper = n_rows < kTileRows ? n_rows : kTileRows;
    // A tile that is not used still needs a row.
    const int64_t lower = n_rows > kTileRows ? n_rows - kTileRows : 1;
    TileConfig config;
    const auto set = [&](int tile, int64_t rows) {
      config.rows[tile] = static_cast<uint8_t>(rows);
      config.row_bytes[tile] = kTileRowBytes;
    };
    for (const int tile : {0, 1, 4}) set(tile, upper);
    for (const int tile : {2, 3, 5}) set(tile, lower);
    for (const int tile : {6, 7}) set(tile, kTileRows);
    // g++ 12 believes that the instruction reads 8 bytes and drops the stores that fill the rest.
    asm volatile("" ::"r"(&config) : "memory");
    _tile_loadconfig(&config);
  }

 private:
  int64_t configured_ = 0;
};

// A tile that lies in one piece, into the first cache. A load of a tile waits for all of its lines;
// asking two products earlier hides the second cache's latency.
inline void prefetch_tile(const void* tile) {
  const auto* line = static_cast<const char*>(tile);
  for (int i = 0; i < kTileRows; ++i) __builtin_prefetch(line + i * kTileRowBytes, 0, 3);
}

// A line of weights, into the second cache.
inline void prefetch_line(const void* line) { __builtin_prefetch(line, 0, 2); }

// Sixteen floats to nearest even; not-a-number stays one. What is below 2^-126, before or after,
// becomes zero, as it is for the products of tiles.
inline __m256i round_bf16(__m512 x) { return std::bit_cast<__m256i>(_mm512_cvtneps_pbh(x)); }

// x as high + low, both bf16.
inline void split_bf16(__m512 x, void* high, void* low) {
  const __m256i upper = round_bf16(x);
  const __m512 rounded = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(upper), 16));
  _mm256_storeu_si256(static_cast<__m256i*>(high), upper);
  _mm256_storeu_si256(static_cast<__m256i*>(low), round_bf16(_mm512_sub_ps(x, rounded)));
}

}  // namespace
}  // namespace autoglm::amx
#endif
