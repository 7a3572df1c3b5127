// Rows of activations in int8, each with one symmetric scale: x = scale * value, value in [-127,
// 127]. A view of memory that the caller reserved. Made by quantize_rows(), or by rms_norm() in
// passing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/isa.h"

namespace autoglm {

struct QuantizedRows {
  static constexpr int64_t kGroup = 32;  // columns of one group sum
  static constexpr int64_t kBlock = 64;  // columns are padded to this with zeros: one AMX tile row

  static constexpr int64_t kTileRows = 16;

  int64_t rows = 0;
  int64_t k = 0;
  // Whether `values` lie in AMX tiles, [rows / 16][padded_k / 64][16 rows][64 columns]: a product
  // on tiles then reads each of them in one piece. Else they are [rows, padded_k].
  bool tiled = false;
  int8_t* values = nullptr;
  int16_t* group_sums = nullptr;  // [rows, padded_k / kGroup]: sums of `values`
  int32_t* sums = nullptr;        // [rows]: sums of `values`
  float* scales = nullptr;        // [rows]

  static constexpr int64_t padded(int64_t k) { return (k + kBlock - 1) / kBlock * kBlock; }
  int64_t padded_k() const { return padded(k); }
  // The first block of 64 columns of a row, and bytes from there to the next.
  int8_t* row_values(int64_t row) const {
    if (!tiled) return values + row * padded_k();
    return values + row / kTileRows * kTileRows * padded_k() + row % kTileRows * kBlock;
  }
  int64_t block_stride() const { return tiled ? kTileRows * kBlock : kBlock; }
  static int64_t bytes(int64_t rows, int64_t k);
  // Lays the arrays out in `memory`, which is aligned to 64 and holds bytes(rows, k).
  static QuantizedRows at(std::byte* memory, int64_t rows, int64_t k);
};

// x: [rows, k] with rows `x_stride` apart; `out` has that shape. scale = max|x| / 127; value =
// round to nearest even (x * (127 / max|x|)). A row that holds infinity or not-a-number gives zeros
// and a scale of not-a-number, so that the fault stays visible.
void quantize_rows(const Context& context, const float* x, int64_t x_stride,
                   const QuantizedRows& out);

}  // namespace autoglm
