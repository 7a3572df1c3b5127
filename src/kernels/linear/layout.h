// Where a weight lies inside its panel of 16 rows. k is padded to 64 with zeros in the integer
// formats, so that 64 columns of a panel are one AMX tile of 16 rows of 64 bytes.
//
//   f32, f16 [k][16]
//   bf16    [k / 2][16 rows][2 columns], k padded to 32: 32 columns of a panel are one AMX tile
//   int8    [padded_k / 4][16 rows][4 columns]
//   int5 to int2: stretches of 64 columns, or in groups of more than 32 of 256, the last one
//   perhaps of fewer blocks of 64,
//             [blocks] codes, 128 bytes a bit and block: lines of [16 rows][4 columns] bytes, of
//             which each holds bits of several columns (code_pieces())
//             in groups of 32: [2 groups][16 rows] scales, [16 rows][2 groups] offsets, signed
//             in groups of 64 or 128: [groups][[16 rows] scales, [16 rows] offsets]
//           weight = channel_scale * (scale * code + offset), the bracket in [-127, 127]; a panel
//           is padded to 64 bytes
//
// After the panels of int8 and of these stand their channel scales, [n_panels][16] floats, and
// their column scales, [k] floats. Formats that hold a file's codes: code_form.h.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "kernels/linear/progressive.h"

namespace autoglm::layout {

constexpr int64_t bf16_at(int64_t k, int64_t lane) { return k / 2 * 32 + lane * 2 + k % 2; }

constexpr int64_t int8_at(int64_t k, int64_t lane) { return k / 4 * 64 + lane * 4 + k % 4; }

// Some bits of the codes of four columns: where they lie in the bytes of a line.
struct CodePiece {
  int line = 0;
  int at = 0;         // of the byte's bits
  int first_bit = 0;  // of the code's
  int bits = 0;       // 0: nothing
  constexpr int mask() const { return (1 << bits) - 1; }
};

// Of the columns 4 quad..4 quad + 3 of a block of 64. Two bits: line i holds the quads i, i + 4, i
// + 8 and i + 12; four: i and i + 8. Of three bits, each half of a block has three lines of its own
// with its quads 0 and 1, 2 and 3, 4 and 5; the two bits left in each take the rest: low bits of
// quad 6 in the first, of quad 7 in the second, their high bits in the third. Five: eight lines of
// the lower four bits as of four, then for each half of a block one with a bit of each of its
// quads.
constexpr std::array<CodePiece, 2> code_pieces(int bits, int64_t quad) {
  const auto q = static_cast<int>(quad);
  if (bits == 5) return {{{q % 8, q / 8 * 4, 0, 4}, {8 + q / 8, q % 8, 4, 1}}};
  if (bits != 3) return {{{q % (2 * bits), q / (2 * bits) * bits, 0, bits}, {}}};
  const int first = q / 8 * 3;
  const int i = q % 8;
  if (i < 6) return {{{first + i / 2, i % 2 * 3, 0, 3}, {}}};
  return {{{first + i - 6, 6, 0, 2}, {first + 2, i, 2, 1}}};
}

// Panels of progressive codes.
struct ProgressivePanel {
  Progressive form;
  int64_t n_blocks = 0;  // of 64 columns

  constexpr int64_t code_bytes() const { return form.bits * 128; }             // of a block
  constexpr int64_t stretch() const { return form.group_size == 32 ? 1 : 4; }  // blocks
  constexpr int64_t stretch_scale_bytes() const { return stretch() * 64 / form.group_size * 32; }
  constexpr int64_t stretch_bytes() const {
    return stretch() * code_bytes() + stretch_scale_bytes();
  }
  // Bytes of a block with its share of scales and offsets; whole stretches have no others.
  constexpr int64_t mean_block_bytes() const { return stretch_bytes() / stretch(); }

  constexpr int64_t codes_at(int64_t block) const {
    return block / stretch() * stretch_bytes() + block % stretch() * code_bytes();
  }
  // The scales of a block's first group; its offsets stand behind them.
  constexpr int64_t scales_at(int64_t block) const {
    const int64_t first = block / stretch() * stretch();
    const int64_t blocks = n_blocks - first < stretch() ? n_blocks - first : stretch();
    return codes_at(first) + blocks * code_bytes() + block % stretch() * 64 / form.group_size * 32;
  }
  constexpr int64_t bytes() const {
    if (n_blocks == 0) return 0;
    const int64_t end = scales_at(n_blocks - 1) + (form.group_size == 32 ? 64 : 32);
    return (end + 63) / 64 * 64;
  }

  constexpr int64_t scale_at(int64_t k, int64_t lane) const {
    return scales_at(k / 64) + lane + (form.group_size == 32 ? k % 64 / 32 * 16 : 0);
  }
  constexpr int64_t offset_at(int64_t k, int64_t lane) const {
    return scales_at(k / 64) + (form.group_size == 32 ? 32 + lane * 2 + k % 64 / 32 : 16 + lane);
  }

  int code(const uint8_t* panel, int64_t k, int64_t lane) const {
    int code = 0;
    for (const CodePiece& piece : code_pieces(form.bits, k % 64 / 4)) {
      const int byte = panel[codes_at(k / 64) + piece.line * 64 + lane * 4 + k % 4];
      code |= ((byte >> piece.at) & piece.mask()) << piece.first_bit;
    }
    return code;
  }
  // What the kernels multiply.
  int bracket(const uint8_t* panel, int64_t k, int64_t lane) const {
    return panel[scale_at(k, lane)] * code(panel, k, lane) +
           static_cast<int8_t>(panel[offset_at(k, lane)]);
  }
  // `group`: of the 32 columns from k on.
  void store(uint8_t* panel, int64_t k, int64_t lane, const ProgressiveGroup& group) const {
    panel[scale_at(k, lane)] = group.scale;
    panel[offset_at(k, lane)] = static_cast<uint8_t>(group.offset);
    uint8_t* block = panel + codes_at(k / 64) + lane * 4;
    for (int64_t i = 0; i < ProgressiveGroup::kColumns; i += 4) {
      for (const CodePiece& piece : code_pieces(form.bits, (k % 64 + i) / 4)) {
        const uint32_t ones = 0x01010101U * static_cast<uint32_t>(piece.mask());
        uint32_t codes = 0;
        uint32_t stored = 0;
        std::memcpy(&codes, group.codes + i, sizeof codes);
        std::memcpy(&stored, block + piece.line * 64, sizeof stored);
        stored &= ~(ones << piece.at);
        stored |= ((codes >> piece.first_bit) & ones) << piece.at;
        std::memcpy(block + piece.line * 64, &stored, sizeof stored);
      }
    }
  }
};

}  // namespace autoglm::layout
