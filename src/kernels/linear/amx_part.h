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
// add tiles 4 and 5 times 6 and 7 to 0..3; expands(task) and expand(panel, begin, end, out), which
// makes tiles of bytes [begin, end) of a panel that does not hold them as they are; ask_ahead(task,
// panel, i), which prefetches weights far behind tile i: with the first rows they come from memory,
// evenly while tiles multiply.
//
// One part: two panels after two, each against all rows of the part, 32 at a time. While the tiles
// multiply one block of 32 rows by 32 channels, the vector units finish the block before it.
template <class Kind>
class TilePart {
 public:
  TilePart(const LinearTask& task, const LinearPart& part, std::byte* scratch)
      : task_(task), part_(part), row_bytes_(Kind::row_bytes(task)), expanded_(scratch) {}

  void run() {
    for (int64_t panel = part_.panel_begin; panel < part_.panel_end; panel += 2) {
      // With an odd number of panels the last one is taken twice.
      const bool two = panel + 1 < part_.panel_end;
      const std::byte* first = task_.panels + panel * task_.panel_bytes;
      packed_[0] = first;
      packed_[1] = two ? first + task_.panel_bytes : first;
      for (int64_t row = part_.row_begin; row < part_.row_end; row += kRows) {
        const int64_t n_rows = less(kRows, part_.row_end - row);
        multiply(row, n_rows);
        finish_rows(pending_.n_rows);
        pending_ = {sums_[current_], row, n_rows, panel, two ? 2 : 1, 0};
        current_ ^= 1;
      }
    }
    finish_rows(pending_.n_rows);
  }

 private:
  using Sum = typename Kind::Sum;
  static constexpr int64_t kRows = kPartRows;

  // Bytes of a row whose weights are expanded before they meet the first rows, while still in the
  // first cache.
  static constexpr int64_t kChunk = 512;

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
    const bool first_rows = row == part_.row_begin;
    const bool expands = Kind::expands(task_);
    const std::byte* w[2];
    for (int i = 0; i < 2; ++i) w[i] = expands ? expanded_ + i * 16 * row_bytes_ : packed_[i];
    const TileRows upper_rows = Kind::rows(task_, row);
    const TileRows lower_rows = Kind::rows(task_, lower ? row + kTileRows : row);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    const int64_t step = expands && first_rows ? kChunk : row_bytes_;
    for (int64_t begin = 0; begin < row_bytes_; begin += step) {
      const int64_t end = less(begin + step, row_bytes_);
      if (expands && first_rows) {
        for (int i = 0; i < 2; ++i) {
          Kind::expand(packed_[i], begin, end, expanded_ + i * 16 * row_bytes_);
        }
      }
      if (lower) {
        if (first_rows) {
          products<true, true>(w, upper_rows, lower_rows, begin, end);
        } else {
          products<true, false>(w, upper_rows, lower_rows, begin, end);
        }
      } else if (first_rows) {
        products<false, true>(w, upper_rows, lower_rows, begin, end);
      } else {
        products<false, false>(w, upper_rows, lower_rows, begin, end);
      }
    }
    Sum* sums = sums_[current_];
    _tile_stored(0, sums, 128);
    _tile_stored(1, sums + 16, 128);
    if (!lower) return;
    _tile_stored(2, sums + 512, 128);
    _tile_stored(3, sums + 528, 128);
  }

  // Bytes [begin, end) of rows and of weights; 64 of a row are one tile of weights.
  template <bool kLower, bool kFirstRows>
  void products(const std::byte* const w[2], const TileRows& upper, const TileRows& lower,
                int64_t begin, int64_t end) {
    // Rows to finish with every tile, so that all are done when the tiles are.
    const int64_t each = (pending_.n_rows * kTileRowBytes + row_bytes_ - 1) / row_bytes_;
    for (int64_t i = begin / kTileRowBytes; i < end / kTileRowBytes; ++i) {
      const std::byte* upper_tile = upper.at + i * upper.block;
      const std::byte* lower_tile = lower.at + i * lower.block;
      _tile_loadd(6, w[0] + i * kTileBytes, kTileRowBytes);
      _tile_loadd(7, w[1] + i * kTileBytes, kTileRowBytes);
      if constexpr (kFirstRows) {
        Kind::ask_ahead(task_, packed_[0], i);
        Kind::ask_ahead(task_, packed_[1], i);
      }
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
      finish_rows(pending_.done + each);
    }
  }

  // Finishes the pending block up to row `end` of it.
  void finish_rows(int64_t end) {
    Pending& p = pending_;
    for (end = less(end, p.n_rows); p.done < end; ++p.done) {
      finish_row<avx512::F32>(task_, p.sums + p.done * 32, p.row + p.done, p.panel, p.n_panels);
    }
  }

  const LinearTask& task_;
  const LinearPart& part_;
  const int64_t row_bytes_;
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
