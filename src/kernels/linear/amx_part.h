// A part of a product on AMX tiles, whatever the elements: a tile of weights is 16 channels by 64
// bytes of a row of activations, as packed.
#pragma once

#if defined(__AMX_INT8__) || defined(__AMXINT8__) || defined(AUTOGLM_EMULATED_AVX512)
#include <array>
#include <tuple>
#include <type_traits>

#include "kernels/linear/driver.h"
#include "kernels/simd/amx_tiles.h"
#include "kernels/simd/avx512.h"
#include "kernels/simd/unroll.h"

namespace autoglm::amx {
namespace {

constexpr int64_t kPartRows = 2 * kTileRows;  // each load of a tile serves two products
// Expanding a tile of weights so many ahead of its product leaves its stores time to arrive.
constexpr int64_t kExpandAhead = 2;
// Tiles between two stretches of rows that are finished while others multiply.
constexpr int64_t kFinishEvery = 4;
// Up to so many rows tiles are expanded anew for each 32 of them, from codes that then lie in the
// second cache: that takes less than fetching what was expanded from there, twice the bytes.
constexpr int64_t kExpandAgainRows = 64;
// Places for tiles that are not kept.
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
// row_bytes(task), a multiple of 64; rows(task, row); multiply<i>(), which adds tile 4 (i = 0, 1)
// or 5 (2, 3) times tile 6 (0, 2) or 7 (1, 3) to tile i; packed_bytes() of a tile in a panel, in
// the mean; kExpands, whether panels hold something else than tiles, and then expansion(panel, i,
// n_tiles, out, ahead), whose step(0) to step(7) make tile i of a panel and ask for what is
// `ahead`.
//
// One part: two panels after two, each against all rows of the part, 32 at a time. With the first
// rows the weights come from memory: they are asked for far ahead, evenly while tiles multiply, and
// expanded a little ahead of the products. While the tiles multiply one block of 32 rows by 32
// channels, the vector units also finish the block before it.
//
// What runs with every tile is inlined by order: left to itself g++ 12 calls parts of it, which
// makes a product a quarter slower.
template <class Kind>
class TilePart {
 public:
  TilePart(const LinearTask& task, const LinearPart& part, std::byte* scratch)
      : task_(task),
        part_(part),
        n_tiles_(Kind::row_bytes(task) / kTileRowBytes),
        keeps_(part.row_end - part.row_begin > kExpandAgainRows),
        expanded_(scratch) {}

  void run() {
    for (int64_t panel = part_.panel_begin; panel < part_.panel_end; panel += 2) {
      // With an odd number of panels the last one is taken twice.
      const bool two = panel + 1 < part_.panel_end;
      packed_[0] = task_.panels + panel * task_.panel_bytes;
      packed_[1] = two ? packed_[0] + task_.panel_bytes : packed_[0];
      for (int64_t row = part_.row_begin; row < part_.row_end; row += kRows) {
        const int64_t n_rows = less(kRows, part_.row_end - row);
        present_ = {sums_[pending_.sums == sums_[0]], row, n_rows, panel, two ? 2 : 1};
        multiply();
        finish_until(pending_.n_rows);
        pending_ = present_;
      }
    }
    finish_until(pending_.n_rows);
  }

 private:
  using Sum = typename Kind::Sum;
  static constexpr int64_t kRows = kPartRows;
  // Tiles between a weight that is asked for and the one that is multiplied.
  static constexpr int64_t kAhead = 12;
  static constexpr int64_t kPackedBytes = Kind::packed_bytes();  // of a tile in a panel

  static int64_t less(int64_t a, int64_t b) { return a < b ? a : b; }

  // 32 rows by 32 channels: the block that is multiplied, or the one whose sums are finished, from
  // row `done` on.
  struct Block {
    Sum* sums = nullptr;
    int64_t row = 0;
    int64_t n_rows = 0;
    int64_t panel = 0;
    int64_t n_panels = 0;
    int64_t done = 0;
    int64_t asked = 0;  // rows whose results' places were asked for
  };

  void multiply() {
    const auto [sums, row, n_rows] = std::tuple(present_.sums, present_.row, present_.n_rows);
    tiles_.configure(n_rows);
    const bool lower = n_rows > kTileRows;
    const TileRows upper_rows = Kind::rows(task_, row);
    const TileRows lower_rows = Kind::rows(task_, lower ? row + kTileRows : row);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    if (row == part_.row_begin || !keeps_) {
      lower ? products<true, true>(upper_rows, lower_rows)
            : products<false, true>(upper_rows, lower_rows);
    } else {
      lower ? products<true, false>(upper_rows, lower_rows)
            : products<false, false>(upper_rows, lower_rows);
    }
    _tile_stored(0, sums, 128);
    _tile_stored(1, sums + 16, 128);
    if (!lower) return;
    _tile_stored(2, sums + 512, 128);
    _tile_stored(3, sums + 528, 128);
  }

  template <bool kLower, bool kBrings>
  void products(const TileRows& upper, const TileRows& lower) {
    // Rows with every tile, so that all have had their turn when the tiles have.
    const int64_t finished = (pending_.n_rows + n_tiles_ - 1) / n_tiles_;
    const int64_t asked = (present_.n_rows + n_tiles_ - 1) / n_tiles_;
    constexpr int64_t kEarlier = Kind::kExpands ? kExpandAhead : 0;
    const int64_t n_brought = kBrings && n_tiles_ > kEarlier ? n_tiles_ - kEarlier : 0;
    if constexpr (kBrings && Kind::kExpands) {
      for (int64_t i = 0; i < less(kEarlier, n_tiles_); ++i) expand(i);
    }
    const auto also = [&](int64_t i) {
      ask_results_until(present_.asked + asked);
      if (i % kFinishEvery == kFinishEvery - 1) {
        finish_until(pending_.done + kFinishEvery * finished);
      }
    };
    for (int64_t i = 0; i < n_brought; ++i) {
      product<kLower, true>(i, upper, lower);
      also(i);
    }
    for (int64_t i = n_brought; i < n_tiles_; ++i) {
      product<kLower, false>(i, upper, lower);
      also(i);
    }
  }

  // Tile i of the rows times tile i of the panels. What else is to do stands between the products,
  // a quarter after each: a core works at both only where they stand that close.
  template <bool kLower, bool kBrings>
  [[gnu::always_inline]] void product(int64_t i, const TileRows& upper, const TileRows& lower) {
    const std::byte* upper_tile = upper.at + i * upper.block;
    const std::byte* lower_tile = lower.at + i * lower.block;
    _tile_loadd(6, weights(0, i), kTileRowBytes);
    _tile_loadd(7, weights(1, i), kTileRowBytes);
    _tile_loadd(4, upper_tile, upper.stride);
    if constexpr (kLower) _tile_loadd(5, lower_tile, lower.stride);
    const auto ask_rows = [&](auto quarter, int64_t apart) __attribute__((always_inline)) {
      if (upper.in_one_piece) ask_quarter<quarter>(upper_tile + apart + 2 * upper.block);
      if (kLower && lower.in_one_piece) ask_quarter<quarter>(lower_tile + apart + 2 * lower.block);
    };
    if constexpr (kBrings && Kind::kExpands) {
      const auto expansions =
          std::array{expansion(0, i + kExpandAhead), expansion(1, i + kExpandAhead)};
      multiply<kLower>([&](auto quarter) __attribute__((always_inline)) {
        ask_rows(quarter, 0);
        unroll<4>([&](auto step) {
          expansions[quarter / 2].step(std::integral_constant<int, quarter % 2 * 4 + step>());
        });
      });
    } else {
      multiply<kLower>([&](auto quarter) __attribute__((always_inline)) {
        ask_rows(quarter, 0);
        if constexpr (kBrings) ask_half_tile<quarter % 2>(ahead(quarter / 2, i));
      });
    }
    if constexpr (Kind::kTwoParts) {
      _tile_loadd(4, upper_tile + upper.apart, upper.stride);
      if constexpr (kLower) _tile_loadd(5, lower_tile + lower.apart, lower.stride);
      multiply<kLower>([&](auto quarter)
                           __attribute__((always_inline)) { ask_rows(quarter, upper.apart); });
    }
  }

  // Tiles 4 and 5 times 6 and 7, and between(0) to between(3) between.
  template <bool kLower, class Between>
  [[gnu::always_inline]] static void multiply(const Between& between) {
    Kind::template multiply<0>();
    between(std::integral_constant<int, 0>());
    if constexpr (kLower) {
      Kind::template multiply<1>();
      between(std::integral_constant<int, 1>());
      Kind::template multiply<2>();
      between(std::integral_constant<int, 2>());
      Kind::template multiply<3>();
    } else {
      between(std::integral_constant<int, 1>());
      Kind::template multiply<1>();
      between(std::integral_constant<int, 2>());
    }
    between(std::integral_constant<int, 3>());
  }

  template <int kQuarter>
  [[gnu::always_inline]] static void ask_quarter(const std::byte* tile) {
    unroll<4>([&](auto line) { __builtin_prefetch(tile + (kQuarter * 4 + line) * 64, 0, 3); });
  }
  template <int kHalf>
  [[gnu::always_inline]] static void ask_half_tile(const std::byte* tile) {
    unroll<8>([&](auto line) { prefetch_line(tile + (kHalf * 8 + line) * 64); });
  }

  // Tile i of one of the two panels, as it is multiplied.
  std::byte* place(int panel, int64_t i) const {
    const int64_t first = panel * (keeps_ ? n_tiles_ : kPlaces);
    return expanded_ + (first + (keeps_ ? i : i % kPlaces)) * kTileBytes;
  }
  const std::byte* weights(int panel, int64_t i) const {
    return Kind::kExpands ? place(panel, i) : packed_[panel] + i * kPackedBytes;
  }
  [[gnu::always_inline]] auto expansion(int panel, int64_t i) const {
    return Kind::expansion(packed_[panel], i, n_tiles_, place(panel, i), ahead(panel, i));
  }
  void expand(int64_t i) {
    for (int panel = 0; panel < 2; ++panel) {
      const auto work = expansion(panel, i);
      unroll<8>([&](auto step) { work.step(step); });
    }
  }

  // What is wanted kAhead tiles after tile i: the two panels are read side by side, and after them
  // the next two.
  const std::byte* ahead(int panel, int64_t i) const {
    const int64_t tile = i + kAhead;
    if (tile < n_tiles_) return packed_[panel] + tile * kPackedBytes;
    return packed_[panel] + 2 * task_.panel_bytes + (tile - n_tiles_) * kPackedBytes;
  }
  // The lines that the present block's results go to, for writing, up to those of row `end`.
  void ask_results_until(int64_t end) {
    Block& block = present_;
    const int64_t column = block.panel * kTileRows;
    for (; block.asked < less(end, block.n_rows); ++block.asked) {
      const float* y = task_.y + (block.row + block.asked) * task_.y_stride;
      if (task_.epilogue == Epilogue::kSwiglu) {
        __builtin_prefetch(y + column / 2, 1, 3);
      } else {
        __builtin_prefetch(y + column, 1, 3);
        __builtin_prefetch(y + column + 16, 1, 3);
      }
    }
  }

  // Finishes the pending block up to row `end` of it.
  void finish_until(int64_t end) {
    Block& block = pending_;
    end = less(end, block.n_rows);
    if (end <= block.done) return;
    finish_rows<avx512::F32>(task_, block.sums + block.done * 32, 32, block.row + block.done,
                             end - block.done, block.panel, block.n_panels);
    block.done = end;
  }

  const LinearTask& task_;
  const LinearPart& part_;
  const int64_t n_tiles_;  // of a panel
  const bool keeps_;       // expanded tiles, for the rows after the first
  std::byte* expanded_;
  const std::byte* packed_[2] = {};
  SumsOfTwoByTwo tiles_;
  Block present_, pending_;
  alignas(64) Sum sums_[2][kRows * 2 * 16];  // [a block and the one before][rows][2 panels][16]
};

}  // namespace
}  // namespace autoglm::amx
#endif
