// The formats that hold a file's codes: weight = scale * code - minimum, a scale and perhaps a
// minimum for each group of columns of a row (tensor/code_row.h), nothing rounded. In a panel of 16
// rows, blocks of 64 columns follow one another:
//
//   4-bit codes   [8][16 rows][4 columns] nibbles: the low ones are columns 0..31, the high ones
//                 32..63; stored plus `zero`
//   8-bit codes   [16][16 rows][4 columns], signed
//   simple        [2 groups][16 rows] scales, then as many minima, in f16
//   nested        [64 / group][16 rows] small scales, then as many small minima, signed bytes;
//                 before every four blocks a header of 64 bytes: [16 rows] f16 scales, then minima
//
// The product: for each group, in ascending order, with its integer sums over codes and activations
// x, and with the activations' own scale for their 32 columns,
//   y = fma(scale, float(sum code * x) * x_scale, y);  y = fma(-minimum, float(sum x) * x_scale, y)
// and then for each group of the activations' second part, ascending, the same with its values and
// x_scale / 254. Both integers are exact in f32. The same order on every instruction set
// (docs/decisions/0040, 0170).
#pragma once

#include <cstdint>

#include "kernels/linear/packed_weight.h"
#include "kernels/linear/quantized_rows.h"

namespace autoglm {

struct CodeForm {
  const char* name;
  int bits;   // of a code: 4 or 8
  int group;  // columns of a scale: 32 or 16
  bool nested;
  bool minimum;
  int zero;  // added to codes of 4 bits, so that they are not negative

  // Rows are multiples of this.
  constexpr int64_t columns() const { return nested ? 256 : 32; }
  constexpr int64_t groups() const { return 64 / group; }  // in a block
  constexpr int64_t header_bytes() const { return nested ? 64 : 0; }
  constexpr int64_t code_bytes() const { return bits * 128; }  // of a block
  constexpr int64_t scales_bytes() const { return groups() * 16 * (nested ? 1 : 2); }
  constexpr int64_t block_bytes() const {
    return code_bytes() + scales_bytes() * (minimum ? 2 : 1);
  }
  constexpr int64_t block_at(int64_t b) const {
    return b * block_bytes() + (nested ? (b / 4 + 1) * header_bytes() : 0);
  }
  constexpr int64_t header_at(int64_t b) const { return b / 4 * (4 * block_bytes() + 64); }
  // Of codes of 8 bits.
  static constexpr int64_t byte_at(int64_t k, int64_t lane) {
    return k / 4 * 64 + lane * 4 + k % 4;
  }
  // Of codes of 4 bits; in the upper half of the byte from column 32 on.
  static constexpr int64_t nibble_at(int64_t k, int64_t lane) {
    return k % 32 / 4 * 64 + lane * 4 + k % 4;
  }
};

inline constexpr CodeForm kCodeForms[] = {
    {"codes4", 4, 32, false, false, 8},         // Q4_0, symmetric GPTQ
    {"codes4-minimum", 4, 32, false, true, 0},  // Q4_1
    {"codes8", 8, 32, false, false, 0},         // Q8_0, Q5_0
    {"codes8-minimum", 8, 32, false, true, 0},  // Q5_1
    {"nested4", 4, 32, true, true, 0},          // Q4_K
    {"nested8", 8, 32, true, true, 0},          // Q5_K
    {"nested6", 8, 16, true, false, 0},         // Q6_K
    {"nested-any", 8, 16, true, true, 0},       // several of them
};

// `format` holds codes.
constexpr const CodeForm& code_form(WeightFormat format) {
  return kCodeForms[static_cast<int>(format) - static_cast<int>(WeightFormat::kSimple4)];
}

// Sums of activations over the groups of 16 that some forms have (QuantizedRows has those of 32),
// for the rows of a part: what their micro-kernels keep in scratch.
class SmallGroupSums {
 public:
  static int64_t bytes(WeightFormat format, int64_t k, int64_t rows) {
    const bool small = holds_codes(format) && code_form(format).group == 16;
    return small ? 2 * rows * (QuantizedRows::padded(k) / 16) * 2 : 0;
  }
  // For forms with groups of 32 these are the sums that `q` has.
  SmallGroupSums(const CodeForm& form, const QuantizedRows& q, int64_t row_begin, int64_t row_end,
                 std::byte* scratch)
      : groups_(q.padded_k() / form.group), first_row_(row_begin) {
    if (form.group == 32) {
      sums_ = q.group_sums + row_begin * groups_;
      fine_sums_ = q.fine_sums + row_begin * groups_;
      return;
    }
    auto* out = reinterpret_cast<int16_t*>(scratch);
    sums_ = out;
    const int64_t n = (row_end - row_begin) * groups_;
    add_up(q.values + row_begin * q.padded_k(), n, out);
    fine_sums_ = out + n;
    for (int64_t row = row_begin; row < row_end; ++row) {
      for (int64_t g = 0; g < q.groups(); ++g) {
        if (q.is_fine[row * q.groups() + g] == 0) continue;
        add_up(q.fine_values + row * q.padded_k() + g * 32, 2,
               out + n + (row - row_begin) * groups_ + g * 2);
      }
    }
  }
  int64_t groups() const { return groups_; }  // of a row
  const int16_t* row(int64_t row) const { return sums_ + (row - first_row_) * groups_; }
  // Of the second part; only where there is one.
  const int16_t* fine_row(int64_t row) const { return fine_sums_ + (row - first_row_) * groups_; }

 private:
  static void add_up(const int8_t* x, int64_t n, int16_t* out) {
    for (int64_t i = 0; i < n; ++i) {
      int sum = 0;
      for (int64_t j = 0; j < 16; ++j) sum += x[i * 16 + j];
      out[i] = static_cast<int16_t>(sum);
    }
  }

  int64_t groups_;
  int64_t first_row_;
  const int16_t* sums_ = nullptr;
  const int16_t* fine_sums_ = nullptr;
};

// x_scale of a group's second part.
inline float fine_scale(float group_scale) { return group_scale * (1.0f / 254.0f); }

// Calls visit.template operator()<i>(), kCodeForms[i] being the form of `format`.
template <class Visit>
void with_code_form(WeightFormat format, Visit visit) {
  switch (static_cast<int>(format) - static_cast<int>(WeightFormat::kSimple4)) {
    case 0: return visit.template operator()<0>();
    case 1: return visit.template operator()<1>();
    case 2: return visit.template operator()<2>();
    case 3: return visit.template operator()<3>();
    case 4: return visit.template operator()<4>();
    case 5: return visit.template operator()<5>();
    case 6: return visit.template operator()<6>();
    default: return visit.template operator()<7>();
  }
}

// What a micro-kernel is given: one panel of codes, and some rows.
struct CodePanel {
  const uint8_t* w;
  const int8_t* x;
  const int16_t* group_sums;  // of the form's groups
  int64_t n_groups;           // of a row
  const float* scales;        // of the rows' groups of 32 columns
  int64_t padded_k;
  float* out;
  int64_t out_stride;
  const uint8_t* is_fine;  // [rows, padded_k / 32]
  const int8_t* fine_x;
  const int16_t* fine_sums;  // of the form's groups

  int64_t n_scales() const { return padded_k / 32; }  // of a row
  // Of the rows from r on.
  CodePanel row(int64_t r) const {
    CodePanel own = *this;
    own.x += r * padded_k;
    own.group_sums += r * n_groups;
    own.scales += r * n_scales();
    own.out += r * out_stride;
    own.is_fine += r * n_scales();
    own.fine_x += r * padded_k;
    own.fine_sums += r * n_groups;
    return own;
  }
  // Of one row: block b of the activations' second part, whose scales are `fine_scales`, as if it
  // were the first part of a panel that begins with it.
  CodePanel fine_block(int64_t b, int64_t groups_of_block, const float* fine_scales) const {
    CodePanel own = *this;
    own.x = fine_x + b * 64;
    own.group_sums = fine_sums + b * groups_of_block;
    own.scales = fine_scales;
    return own;
  }
};

// Calls visit(b, panel, in_first, in_second) for each block of 64 columns in which the activations
// of the row of `panel` have a second part: `panel` is then fine_block(), and the flags tell in
// which halves of the block it stands.
template <class Visit>
void for_fine_blocks(const CodeForm& form, const CodePanel& panel, Visit visit) {
  for (int64_t b = 0; b < panel.padded_k / 64; ++b) {
    const uint8_t* fine = panel.is_fine + b * 2;
    if ((fine[0] | fine[1]) == 0) continue;
    const float scales[2] = {fine_scale(panel.scales[b * 2]), fine_scale(panel.scales[b * 2 + 1])};
    visit(b, panel.fine_block(b, form.groups(), scales), fine[0] != 0, fine[1] != 0);
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

inline CodePanel code_panel(const std::byte* panel, const QuantizedRows& q,
                            const SmallGroupSums& sums, int64_t row, float* out,
                            int64_t out_stride) {
  return {.w = reinterpret_cast<const uint8_t*>(panel),
          .x = q.values + row * q.padded_k(),
          .group_sums = sums.row(row),
          .n_groups = sums.groups(),
          .scales = q.group_scales + row * q.groups(),
          .padded_k = q.padded_k(),
          .out = out,
          .out_stride = out_stride,
          .is_fine = q.is_fine + row * q.groups(),
          .fine_x = q.fine_values + row * q.padded_k(),
          .fine_sums = sums.fine_row(row)};
}

}  // namespace autoglm
