// The roof of AMX: int8 tiles loaded from L1 as a product must load them (two of rows, two of
// weights, four products), and bf16 tiles from registers.
#include <immintrin.h>

#include "kernels/roof/loops.h"

namespace autoglm {
namespace {

// 64 bytes that _tile_loadconfig reads (Intel SDM, LDTILECFG): eight full tiles.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);

constexpr int64_t kTileBytes = 1024;
alignas(64) constexpr uint8_t kZeros[4 * kTileBytes] = {};

void begin() {
  TileConfig config;
  // g++ 12 believes that the instruction reads 8 bytes and drops the stores that fill the rest.
  asm volatile("" ::"r"(&config) : "memory");
  _tile_loadconfig(&config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

void int8_loop(int64_t iterations) {
  begin();
  for (int64_t i = 0; i < iterations; ++i) {
    _tile_loadd(4, kZeros, 64);
    _tile_loadd(6, kZeros + kTileBytes, 64);
    _tile_loadd(5, kZeros + 2 * kTileBytes, 64);
    _tile_loadd(7, kZeros + 3 * kTileBytes, 64);
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
  _tile_release();
}

void bf16_loop(int64_t iterations) {
  begin();
  _tile_loadd(4, kZeros, 64);
  _tile_loadd(5, kZeros, 64);
  _tile_loadd(6, kZeros, 64);
  _tile_loadd(7, kZeros, 64);
  for (int64_t i = 0; i < iterations; ++i) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
}

// A tile product is 16 x 16 sums of 64 bytes, or of 32 bf16.
constexpr RoofLoop kLoops[] = {
    {RoofUnit::kMatrixInt8, Isa::kAmx, "tdpbssd, tiles from L1", 4 * 16 * 16 * 64 * 2, int8_loop},
    {RoofUnit::kMatrixBF16, Isa::kAmx, "tdpbf16ps", 4 * 16 * 16 * 32 * 2, bf16_loop},
};

}  // namespace

const std::span<const RoofLoop> kRoofAmx = kLoops;

}  // namespace autoglm
