// Products on AMX tiles for bf16 weights. The activations are split into two numbers of bf16, once
// for a whole product; a tile's 32 columns are summed as the instruction does it (linear.h has the
// formula), for one row as for many.
#pragma once

#if defined(__AMX_INT8__) || defined(__AMXINT8__) || defined(AUTOGLM_EMULATED_AVX512)
#include "kernels/linear/amx_part.h"
#include "kernels/linear/bf16_rows.h"
#include "kernels/simd/half.h"

namespace autoglm::amx {
namespace {

struct Bf16Kind {
  using Sum = float;
  static constexpr bool kTwoParts = true;
  static constexpr bool kExpands = false;

  static int64_t row_bytes(const LinearTask& task) { return Bf16Rows::row_bytes(task.k); }
  static TileRows rows(const LinearTask& task, int64_t row) {
    return {task.bf16_rows + Bf16Rows::offset(task.k, row), kTileRowBytes, kTileBytes, true,
            Bf16Rows::apart(task.k)};
  }
  // The intrinsics take literals only.
  template <int kSum>
  static void multiply() {
    if constexpr (kSum == 0) _tile_dpbf16ps(0, 4, 6);
    if constexpr (kSum == 1) _tile_dpbf16ps(1, 4, 7);
    if constexpr (kSum == 2) _tile_dpbf16ps(2, 5, 6);
    if constexpr (kSum == 3) _tile_dpbf16ps(3, 5, 7);
  }
  static constexpr int64_t packed_bytes() { return kTileBytes; }
};

inline void run_bf16(const LinearTask& task, const LinearPart& part, std::byte* scratch) {
  TilePart<Bf16Kind>(task, part, scratch).run();
}

inline void split_rows(const Bf16Split& split) {
  for (int64_t row = split.row_begin; row < split.row_end; ++row) {
    const float* x = split.x + row * split.x_stride;
    std::byte* out = split.rows + Bf16Rows::offset(split.k, row);
    const int64_t padded = Bf16Rows::row_bytes(split.k) / 2;
    for (int64_t k = 0; k < padded; k += 16) {
      const avx512::F32 values = avx512::F32::load(x + k, split.k - k);
      std::byte* high = out + k / 32 * kTileBytes + k % 32 * 2;
      split_bf16(values.v, high, high + Bf16Rows::apart(split.k));
    }
  }
}

}  // namespace
}  // namespace autoglm::amx
#endif
