// What products with codes (code_form.h) need of the activations besides their values, for the rows
// of one part of a product and computed once for all its panels: where the integer sums begin, the
// scales, what the minima are multiplied with, and which groups have a second part.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "kernels/linear/code_form.h"

namespace autoglm {

class CodeSums {
 public:
  // How a micro-kernel takes the activations.
  struct Taken {
    int excess = 0;  // added to each code
    int64_t tile;    // rows at once, at most kMaxTile
  };
  static constexpr int64_t kMaxTile = 8;

  // Of one part of the activations, a number for each group of the form.
  struct Part {
    // -excess * (sum of the values): what the integer sums begin with. Only where there is an
    // excess.
    int32_t* starts = nullptr;
    float* x_scales = nullptr;
    float* of_minimum = nullptr;  // (sum of the values) * x_scale; only where the form has minima

    Part from(int64_t at) const {
      return {starts == nullptr ? nullptr : starts + at, x_scales + at,
              of_minimum == nullptr ? nullptr : of_minimum + at};
    }
  };

  static int64_t bytes(WeightFormat format, int64_t k, int64_t rows);
  // scratch: bytes() of it, aligned to 8.
  CodeSums(const CodeForm& form, Taken taken, const QuantizedRows& q, int64_t row_begin,
           int64_t row_end, std::byte* scratch);

  int64_t first_row() const { return first_row_; }
  int64_t groups() const { return groups_; }  // of a row
  int64_t words() const { return words_; }    // of a row
  // Of the first part's [rows / tile][groups()][tile], so that a tile reads them in one piece.
  int64_t tile() const { return tile_; }
  const Part& first() const { return first_; }
  const Part& fine() const { return fine_; }  // [rows][groups()], of those that have it
  // [rows][words()]: bit g of a row tells whether its group g of 32 columns has a second part.
  const uint64_t* fine_bits() const { return fine_bits_; }

 private:
  int64_t first_row_;
  int64_t groups_;
  int64_t words_;
  int64_t tile_;
  Part first_, fine_;
  uint64_t* fine_bits_;
};

// What a micro-kernel is given: one panel of codes, and a tile of rows.
struct CodePanel {
  const uint8_t* w;
  const int8_t* x;
  CodeSums::Part sums;  // of row r in group g: at g * tile + r
  int64_t tile;
  int64_t n_groups;  // of a row, the form's
  int64_t padded_k;
  float* out;
  int64_t out_stride;
  const uint64_t* fine_bits;
  int64_t n_words;
  const int8_t* fine_x;
  CodeSums::Part fine_sums;

  // Row r as seen by for_fine_blocks().
  CodePanel row(int64_t r) const {
    CodePanel own = *this;
    own.fine_bits += r * n_words;
    own.fine_x += r * padded_k;
    own.fine_sums = fine_sums.from(r * n_groups);
    return own;
  }
  // Block b of the activations' second part, as if it were the first part of a panel of one row
  // that begins with it.
  CodePanel fine_block(int64_t b, int64_t groups_of_block) const {
    CodePanel own = *this;
    own.x = fine_x + b * 64;
    own.sums = fine_sums.from(b * groups_of_block);
    own.tile = 1;
    return own;
  }
};

// `row`: the first of a tile.
CodePanel code_panel(const std::byte* panel, const QuantizedRows& q, const CodeSums& sums,
                     int64_t row, float* out, int64_t out_stride);

// Calls visit(b, panel, in_first, in_second) for each block of 64 columns in which the activations
// of the first row of `panel` have a second part: `panel` is then fine_block(), and the flags tell
// in which halves of the block it stands.
template <class Visit>
void for_fine_blocks(const CodeForm& form, const CodePanel& panel, Visit visit) {
  for (int64_t word = 0; word < panel.n_words; ++word) {
    for (uint64_t bits = panel.fine_bits[word]; bits != 0;) {
      const int at = std::countr_zero(bits) & ~1;
      const bool first = (bits >> at & 1) != 0;
      const bool second = (bits >> at & 2) != 0;
      bits &= ~(uint64_t{3} << at);
      const int64_t b = word * 32 + at / 2;
      visit(b, panel.fine_block(b, form.groups()), first, second);
    }
  }
}

// Calls visit.template operator()<i>() for the groups i of a block that lie in the halves asked
// for.
template <int kForm, class Visit>
void for_groups_in_halves(bool first, bool second, Visit visit) {
  if constexpr (kCodeForms[kForm].group == 32) {
    if (first) visit.template operator()<0>();
    if (second) visit.template operator()<1>();
  } else {
    if (first) {
      visit.template operator()<0>();
      visit.template operator()<1>();
    }
    if (second) {
      visit.template operator()<2>();
      visit.template operator()<3>();
    }
  }
}

}  // namespace autoglm
