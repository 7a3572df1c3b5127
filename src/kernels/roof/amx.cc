// The roof of AMX: int8 tiles loaded from L1 as a product must load them (two of rows, two of
// weights, four products), and bf16 tiles from registers.
#include "kernels/roof/loops.h"
#include "kernels/simd/amx_tiles.h"

namespace autoglm {
namespace {

using amx::kTileBytes;
alignas(64) constexpr uint8_t kZeros[4 * kTileBytes] = {};

void clear_sums() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

void int8_loop(int64_t iterations) {
  amx::SumsOfTwoByTwo tiles;
  tiles.configure(amx::kTileRows * 2);
  clear_sums();
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
}

void bf16_loop(int64_t iterations) {
  amx::SumsOfTwoByTwo tiles;
  tiles.configure(amx::kTileRows * 2);
  clear_sums();
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
}

// A tile product is 16 x 16 sums of 64 bytes, or of 32 bf16.
constexpr RoofLoop kLoops[] = {
    {RoofUnit::kMatrixInt8, Isa::kAmx, "tdpbssd, tiles from L1", 4 * 16 * 16 * 64 * 2, int8_loop},
    {RoofUnit::kMatrixBF16, Isa::kAmx, "tdpbf16ps", 4 * 16 * 16 * 32 * 2, bf16_loop},
};

}  // namespace

const std::span<const RoofLoop> kRoofAmx = kLoops;

}  // namespace autoglm
