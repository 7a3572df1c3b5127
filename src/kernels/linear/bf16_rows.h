//// Rows of activations in bf16, each number as a high and a low part whose sum has 16 bits of it,
/// in
// AMX tiles: [rows / 16][2 parts][padded_k / 32][16 rows][32 columns], columns padded with zeros.
#pragma once

#include <cstddef>
#include <cstdint>

namespace autoglm {

struct Bf16Rows {
  static constexpr int64_t kTileRows = 16;

  static constexpr int64_t row_bytes(int64_t k) { return (k + 31) / 32 * 64; }
  static constexpr int64_t bytes(int64_t rows, int64_t k) {
    return (rows + kTileRows - 1) / kTileRows * kTileRows * 2 * row_bytes(k);
  }
  // The first 64 bytes of a row's high part; the next 64 stand 16 * 64 bytes further on.
  static constexpr int64_t offset(int64_t k, int64_t row) {
    return row / kTileRows * kTileRows * 2 * row_bytes(k) + row % kTileRows * 64;
  }
  // From there to the low part.
  static constexpr int64_t apart(int64_t k) { return kTileRows * row_bytes(k); }
};

// Rows [row_begin, row_end) to be split.
struct Bf16Split {
  const float* x = nullptr;  // [rows, k]
  int64_t x_stride = 0;
  int64_t k = 0;
  int64_t row_begin = 0;
  int64_t row_end = 0;
  std::byte* rows = nullptr;
};

}  // namespace autoglm
