// A part of a product on AMX tiles, whatever the elements: a tile of weights is 16 channels by 64
// bytes of a row of activations, as packed.
#pragma once

#if defined(__AMX_INT8__) || defined(__AMXINT8__) || defined(AUTOGLM_EMULATED_AVX512)
#include "kernels/linear/driver.h"
#include "kernels/simd/amx_tiles.h"
#include "kernels/simd/avx512.h"

namespace autoglm::amx {
namespace {

constexpr int64_t kPartRows = 2 * kTileRows;  // each load of a tile serves two products
// Expanding a tile of weights so many ahead of its product leaves its stores time to arrive.
constexpr int64_t kExpandAhead = 2;
// Tiles between two stretches of rows that are finished while others multiply.
constexpr int64_t kFinishEvery = 4;
// Places for expanded tiles that no later rows want.
constexpr int64_t kPlaces = 4;
static_assert(kPlaces > kExpandAhead);

// 16 rows of activations.
struct TileRows {
  const std::byte* at;  // the first bytes of the first
  size_t stride;        // from one row to the next
  int64_t block;        // from 64 bytes of a row to the next 64
  bool in_one_piece;    // a tile can be asked for ahead
  int64_t apart = 0;    // from a tile to its second part
};

// Kind has: Sum (int32_t or float); kTwoParts, whether each tile of rows has a second part to add;
// row_bytes(task), a multiple of 64; rows(task, row); multiply_upper() and multiply_lower(), which
// add tiles 4 and 5 times 6 and 7 to 0..3; expands(task) and expand(task, panel, i, out,
// ahead), which makes tile i of a panel that does not hold it as it is, and asks for those at
// `ahead`; packed_bytes(task) of a tile in a panel, in the mean.
//
// One part: two panels after two, each against all rows of the part, 32 at a time. With the first
// rows the weights come from memory: they are asked for far ahead, evenly while tiles multiply, and
// expanded a little ahead of the products. While the tiles multiply one block of 32 rows by 32
// channels, the vector units also finish the block before it.
template <class Kind>
class TilePart {
 public:
  TilePart(const LinearTask& task, const LinearPart& part, std::byte* scratch)
      : task_(task),
        part_(part),
        row_bytes_(Kind::row_bytes(task)),
        n_tiles_(row_bytes_ / kTileRowBytes),
        packed_bytes_(Kind::packed_bytes(task)),
        expands_(Kind::expands(task)),
        keeps_(part.row_end - part.row_begin > kRows),
        expanded_(scratch) {}

  void run() {
    for (int64_t panel = part_.panel_begin; panel < part_.panel_end; panel += 2) {
      // With an odd number of panels the last one is taken twice.
      const bool two = panel + 1 < part_.panel_end;
      packed_[0] = task_.panels + panel * task_.panel_bytes;
      packed_[1] = two ? packed_[0] + task_.panel_bytes : packed_[0];
      for (int64_t row = part_.row_begin; row < part_.row_end; row += kRows) {
        const int64_t n_rows = less(kRows, part_.row_end - row);
        multiply(row, n_rows);
        finish_until(pending_.n_rows);
        pending_ = {sums_[current_], row, n_rows, panel, two ? 2 : 1, 0};
        current_ ^= 1;
      }
    }
    finish_until(pending_.n_rows);
  }

 private:
  using Sum = typename Kind::Sum;
  static constexpr int64_t kRows = kPartRows;
  // Tiles between a weight that is asked for and the one that is multiplied.
  static constexpr int64_t kAhead = 12;

  static int64_t less(int64_t a, int64_t b) { return a < b ? a : b; }

  // A block whose sums wait to be finished, from row `done` on.
  struct Pending {
    const Sum* sums = nullptr;
    int64_t row = 0;
    int64_t n_rows = 0;
    int64_t panel = 0;
    int64_t n_panels = 0;
    int64_t done = 0;
  };

  void multiply(int64_t row, int64_t n_rows) {
    tiles_.configure(n_rows);
    const bool lower = n_rows > kTileRows;
    const TileRows upper_rows = Kind::rows(task_, row);
    const TileRows lower_rows = Kind::rows(task_, lower ? row + kTileRows : row);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    if (row == part_.row_begin) {
      lower ? products<true, true>(upper_rows, lower_rows)
            : products<false, true>(upper_rows, lower_rows);
    } else {
      lower ? products<true, false>(upper_rows, lower_rows)
            : products<false, false>(upper_rows, lower_rows);
    }
    Sum* sums = sums_[current_];
    _tile_stored(0, sums, 128);
    _tile_stored(1, sums + 16, 128);
    if (!lower) return;
    _tile_stored(2, sums + 512, 128);
    _tile_stored(3, sums + 528, 128);
  }

  template <bool kLower, bool kFirstRows>
  void products(const TileRows& upper, const TileRows& lower) {
    // Rows to finish with every tile, so that all are done when the tiles are.
    const int64_t each = (pending_.n_rows + n_tiles_ - 1) / n_tiles_;
    if (kFirstRows && expands_) {
      for (int64_t i = 0; i < less(kExpandAhead, n_tiles_); ++i) expand(i);
    }
    for (int64_t i = 0; i < n_tiles_; ++i) {
      const std::byte* upper_tile = upper.at + i * upper.block;
      const std::byte* lower_tile = lower.at + i * lower.block;
      _tile_loadd(6, weights(0, i), kTileRowBytes);
      _tile_loadd(7, weights(1, i), kTileRowBytes);
      _tile_loadd(4, upper_tile, upper.stride);
      if (upper.in_one_piece) prefetch_tile(upper_tile + 2 * upper.block);
      Kind::multiply_upper();
      if constexpr (Kind::kTwoParts) {
        _tile_loadd(4, upper_tile + upper.apart, upper.stride);
        prefetch_tile(upper_tile + upper.apart + 2 * upper.block);
        Kind::multiply_upper();
      }
      if constexpr (kLower) {
        _tile_loadd(5, lower_tile, lower.stride);
        if (lower.in_one_piece) prefetch_tile(lower_tile + 2 * lower.block);
        Kind::multiply_lower();
        if constexpr (Kind::kTwoParts) {
          _tile_loadd(5, lower_tile + lower.apart, lower.stride);
          prefetch_tile(lower_tile + lower.apart + 2 * lower.block);
          Kind::multiply_lower();
        }
      }
      if constexpr (kFirstRows) {
        if (!expands_) ask_ahead(i);
        if (expands_ && i + kExpandAhead < n_tiles_) expand(i + kExpandAhead);
      }
      if (i % kFinishEvery == kFinishEvery - 1) finish_until(pending_.done + kFinishEvery * each);
    }
  }

  // Tile i of one of the two panels, as it is multiplied.
  std::byte* place(int panel, int64_t i) const {
    const int64_t first = panel * (keeps_ ? n_tiles_ : kPlaces);
    return expanded_ + (first + (keeps_ ? i : i % kPlaces)) * kTileBytes;
  }
  const std::byte* weights(int panel, int64_t i) const {
    return expands_ ? place(panel, i) : packed_[panel] + i * packed_bytes_;
  }
  void expand(int64_t i) {
    for (int panel = 0; panel < 2; ++panel) {
      Kind::expand(task_, packed_[panel], i, place(panel, i), ahead(panel, i));
    }
  }

  // What is wanted kAhead tiles after tile i: the two panels are read side by side, and after them
  // the next two.
  const std::byte* ahead(int panel, int64_t i) const {
    const int64_t tile = i + kAhead;
    const int64_t panels = tile / n_tiles_ * 2 * task_.panel_bytes;
    return packed_[panel] + panels + tile % n_tiles_ * packed_bytes_;
  }
  void ask_ahead(int64_t i) {
    for (int panel = 0; panel < 2; ++panel) {
      const std::byte* from = ahead(panel, i);
      for (int64_t at = 0; at < packed_bytes_; at += 64) prefetch_line(from + at);
    }
  }

  // Finishes the pending block up to row `end` of it.
  void finish_until(int64_t end) {
    Pending& p = pending_;
    end = less(end, p.n_rows);
    if (end <= p.done) return;
    finish_rows<avx512::F32>(task_, p.sums + p.done * 32, 32, p.row + p.done, end - p.done, p.panel,
                             p.n_panels);
    p.done = end;
  }

  const LinearTask& task_;
  const LinearPart& part_;
  const int64_t row_bytes_;
  const int64_t n_tiles_;       // of a panel
  const int64_t packed_bytes_;  // of a tile in a panel
  const bool expands_;
  const bool keeps_;  // expanded tiles, for the rows after the first
  std::byte* expanded_;
  const std::byte* packed_[2] = {};
  SumsOfTwoByTwo tiles_;
  Pending pending_;
  int current_ = 0;
  alignas(64) Sum sums_[2][kRows * 2 * 16];  // [pending and present][rows][2 panels][16]
};

}  // namespace
}  // namespace autoglm::amx
#endif
