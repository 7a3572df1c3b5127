// Rows of activations in int8: a view of memory that the caller reserved. Made by quantize_rows(),
// or by rms_norm() in passing. What the weights are decides how they are rounded
// (docs/decisions/0170).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/isa.h"
#include "kernels/linear/packed_weight.h"
#include "kernels/rows/outlier.h"

namespace autoglm {

enum class Rounding : uint8_t {
  // For int8 and progressive weights, whose columns are turned too (tensor/rotation.h): the row
  // times the weight's column scales, turned, is scale * value with one scale, so that a product's
  // sums stay integers over all columns.
  kTurned,
  // For codes of files: x = group_scale * value, a scale for each 32 columns. Numbers that stand
  // out of their row are kept apart as they are, their values being 0.
  kGroups,
};
// Of activations that meet such weights; the format is integer.
Rounding rounding_of(WeightFormat format);

struct QuantizedRows {
  static constexpr int64_t kGroup = 32;  // columns of one group
  static constexpr int64_t kBlock = 64;  // columns are padded to this with zeros: one AMX tile row

  static constexpr int64_t kTileRows = 16;

  int64_t rows = 0;
  int64_t k = 0;
  Rounding rounding = Rounding::kTurned;
  const float* column_scales = nullptr;  // kTurned: [k], the weight's; null: all ones
  // Whether `values` lie in AMX tiles, [rows / 16][padded_k / 64][16 rows][64 columns]: a product
  // on tiles then reads each of them in one piece. Else they are [rows, padded_k].
  bool tiled = false;
  int8_t* values = nullptr;
  int16_t* group_sums = nullptr;  // [rows, groups()]: sums of `values`
  int32_t* sums = nullptr;        // kTurned: [rows], sums of `values`
  float* scales = nullptr;        // kTurned: [rows]
  float* group_scales = nullptr;  // kGroups, like all below: [rows, groups()]
  Outlier* outliers = nullptr;    // [rows, max_outliers()], ascending columns
  int32_t* n_outliers = nullptr;  // [rows]

  static constexpr int64_t padded(int64_t k) { return (k + kBlock - 1) / kBlock * kBlock; }
  int64_t padded_k() const { return padded(k); }
  int64_t groups() const { return padded_k() / kGroup; }    // of a row
  int64_t max_outliers() const { return padded_k() / 16; }  // of a row
  std::span<const Outlier> outliers_of(int64_t row) const {
    return {outliers + row * max_outliers(), static_cast<size_t>(n_outliers[row])};
  }
  // The first block of 64 columns of a row, and bytes from there to the next.
  int8_t* row_values(int64_t row) const {
    if (!tiled) return values + row * padded_k();
    return values + row / kTileRows * kTileRows * padded_k() + row % kTileRows * kBlock;
  }
  // Row `row` alone, where it lies; not of tiles.
  QuantizedRows one_row(int64_t row) const;
  int64_t block_stride() const { return tiled ? kTileRows * kBlock : kBlock; }
  // Of either rounding.
  static int64_t bytes(int64_t rows, int64_t k);
  // Lays the arrays out in `memory`, which is aligned to 64 and holds bytes(rows, k).
  static QuantizedRows at(std::byte* memory, int64_t rows, int64_t k);
};

// Working memory of quantize_rows(), aligned to 64: each thread turns a row in it. Rounding by
// groups needs none.
int64_t quantize_scratch_bytes(const Context& context, int64_t k);

// x: [rows, k] with rows `x_stride` apart; `out` has that shape. scale = max|x| / 127, of the
// turned row or of a group; value = round to nearest even (x * (127 / max|x|)). A row (kGroups: a
// group) that holds infinity or not-a-number gives zeros and a scale of not-a-number, so that the
// fault stays visible.
void quantize_rows(const Context& context, const float* x, int64_t x_stride,
                   const QuantizedRows& out, std::span<std::byte> scratch);

// Row `row` of `from`, which is not in tiles, becomes row `to_row` of `to`: of the same k and
// rounded alike.
void copy_row(const QuantizedRows& from, int64_t row, const QuantizedRows& to, int64_t to_row);

struct RowKernels;
// One of the rows. `room`: k floats for the turned row; may be x.
void quantize_row(const RowKernels& kernels, const float* x, float* room, const QuantizedRows& out,
                  int64_t row);

}  // namespace autoglm
