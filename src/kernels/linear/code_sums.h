// What products with codes (code_form.h) need of the activations besides their values, for the rows
// of one part of a product and computed once for all its panels: where the integer sums begin, the
// scales, and what the minima are multiplied with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/linear/code_form.h"

namespace autoglm {

class CodeSums {
 public:
  // How a micro-kernel takes the activations.
  struct Taken {
    int excess = 0;  // added to each code
    int64_t tile;    // rows at once, a divisor of kMaxTile
  };
  static constexpr int64_t kMaxTile = 8;

  // A number for each group of the form, [rows / tile][groups()][tile], so that a micro-kernel
  // reads those of its tile in one piece.
  struct Arrays {
    // -excess * (sum of the values): what the integer sums begin with. Only where there is an
    // excess.
    int32_t* starts = nullptr;
    float* x_scales = nullptr;
    // (sum of the values) * x_scale, and what is kept apart; only where the form has minima.
    float* of_minimum = nullptr;
  };

  static int64_t bytes(WeightFormat format, int64_t k, int64_t rows);
  // scratch: bytes() of it, aligned to 4.
  CodeSums(const CodeForm& form, Taken taken, const QuantizedRows& q, int64_t row_begin,
           int64_t row_end, std::byte* scratch);

  int64_t tile() const { return tile_; }
  int64_t groups() const { return groups_; }  // of a row
  // Of the tile that begins with `row`.
  Arrays at(int64_t row) const {
    const int64_t i = (row - first_row_) * groups_;
    return {arrays_.starts == nullptr ? nullptr : arrays_.starts + i, arrays_.x_scales + i,
            arrays_.of_minimum == nullptr ? nullptr : arrays_.of_minimum + i};
  }

 private:
  int64_t first_row_;
  int64_t groups_;
  int64_t tile_;
  Arrays arrays_;
};

// What a micro-kernel is given: one panel of codes, and a tile of rows.
struct CodePanel {
  const uint8_t* w;
  const QuantizedRows& q;
  int64_t row;  // the first
  const int8_t* x;
  int64_t padded_k;
  CodeSums::Arrays sums;  // of the tile's row r in group g: at g * tile + r
  int64_t tile;
  float* out;
  int64_t out_stride;

  std::span<const Outlier> outliers(int64_t r) const { return q.outliers_of(row + r); }
};

inline CodePanel code_panel(const std::byte* panel, const QuantizedRows& q, const CodeSums& sums,
                            int64_t row, float* out, int64_t out_stride) {
  return {.w = reinterpret_cast<const uint8_t*>(panel),
          .q = q,
          .row = row,
          .x = q.values + row * q.padded_k(),
          .padded_k = q.padded_k(),
          .sums = sums.at(row),
          .tile = sums.tile(),
          .out = out,
          .out_stride = out_stride};
}

// Where a column's codes and scales stand in a panel.
template <int kForm>
struct CodeColumn {
  const uint8_t* codes;   // 16 rows of the four columns that this one is among
  int shift;              // of its codes in these 32 bits
  const uint8_t* header;  // nested forms
  const uint8_t* scales;

  CodeColumn(const uint8_t* w, int32_t column) {
    constexpr CodeForm form = kCodeForms[kForm];
    // Unsigned: divisions by powers of two are shifts.
    const auto at = static_cast<uint32_t>(column);
    const uint32_t b = at / 64;
    const uint8_t* block = w + form.block_at(b);
    codes = block + (form.bits == 8 ? at % 64 / 4 : at % 32 / 4) * 64;
    shift = static_cast<int>(at % 4 * 8 + (form.bits == 4 ? at % 64 / 32 * 4 : 0));
    header = w + (form.nested ? form.header_at(b) : 0);
    scales = block + form.code_bytes() + at % 64 / form.group * 16 * (form.nested ? 1 : 2);
  }
};

}  // namespace autoglm
