// Rows of activations rounded to bf16, in AMX tiles: [rows / 16][padded_k / 32][16 rows][32
// columns], columns padded with zeros.
#pragma once

#include <cstddef>
#include <cstdint>

namespace autoglm {

struct Bf16Rows {
  static constexpr int64_t kTileRows = 16;

  static constexpr int64_t row_bytes(int64_t k) { return (k + 31) / 32 * 64; }
  static constexpr int64_t bytes(int64_t rows, int64_t k) {
    return (rows + kTileRows - 1) / kTileRows * kTileRows * row_bytes(k);
  }
  // The first 64 bytes of a row; the next 64 stand 16 * 64 bytes further on.
  static constexpr int64_t offset(int64_t k, int64_t row) {
    return row / kTileRows * kTileRows * row_bytes(k) + row % kTileRows * 64;
  }
};

// Rows [row_begin, row_end) to be rounded to nearest even.
struct Bf16Rounding {
  const float* x = nullptr;  // [rows, k]
  int64_t x_stride = 0;
  int64_t k = 0;
  int64_t row_begin = 0;
  int64_t row_end = 0;
  std::byte* rows = nullptr;
};

}  // namespace autoglm
