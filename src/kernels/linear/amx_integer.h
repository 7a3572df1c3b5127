// Products on AMX tiles for int8 and int4 weights. A tile of weights is 16 channels by 64 columns,
// as packed; int4 is expanded into such tiles once for all rows of a part. The sums are the same
// integers as everywhere.
#pragma once

#if defined(__AMX_INT8__) || defined(__AMXINT8__) || defined(AUTOGLM_EMULATED_AVX512)
#include "kernels/linear/amx_tiles.h"
#include "kernels/linear/avx512_integer.h"
#include "kernels/linear/driver.h"

namespace autoglm::amx {
namespace {

// Columns [begin, end) of a panel of int4 as int8 tiles: out[padded_k / 4][16 channels][4 columns].
// A code times its scale is at most 15 * 16 and fits a byte, so one 16-bit product multiplies two
// codes side by side; the offset is then added to bytes that wrap around.
inline void expand_int4(const std::byte* panel, int64_t begin, int64_t end, int8_t* out) {
  // Weights come from memory: this far ahead, in blocks.
  constexpr int64_t kAhead = 16 * layout::kInt4BlockBytes;
  const __m512i low_nibbles = _mm512_set1_epi32(0x0f0f0f0f);
  const __m512i low_byte = _mm512_set1_epi32(0xff);
  const __m512i every_byte = _mm512_set1_epi32(0x01010101);
  const auto* w = reinterpret_cast<const uint8_t*>(panel) + layout::int4_block(begin);
  out += begin * 16;
  for (int64_t b = begin / 64; b < end / 64; ++b, w += layout::kInt4BlockBytes, out += kTileBytes) {
    for (int line = 0; line < 9; ++line) __builtin_prefetch(w + kAhead + line * 64, 0, 3);
    const auto* scales = reinterpret_cast<const __m128i*>(w + layout::kInt4Scales);
    // Both offsets of a channel, each in a half of its lane.
    const __m512i offsets = _mm512_cvtepi8_epi16(
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w + layout::kInt4Offsets)));
    const __m512i offset[2] = {
        _mm512_mullo_epi32(_mm512_and_si512(offsets, low_byte), every_byte),
        _mm512_mullo_epi32(_mm512_and_si512(_mm512_srli_epi32(offsets, 16), low_byte), every_byte)};
    __m512i scale[2];
    for (int g = 0; g < 2; ++g) {
      scale[g] = _mm512_cvtepu8_epi32(_mm_loadu_si128(scales + g));
      scale[g] = _mm512_or_si512(scale[g], _mm512_slli_epi32(scale[g], 16));
    }
    for (int q = 0; q < 8; ++q) {
      const __m512i both = _mm512_loadu_si512(w + q * 64);
      const __m512i low = _mm512_and_si512(both, low_nibbles);
      const __m512i high = _mm512_and_si512(_mm512_srli_epi16(both, 4), low_nibbles);
      _mm512_storeu_si512(out + q * 64,
                          _mm512_add_epi8(_mm512_mullo_epi16(low, scale[0]), offset[0]));
      _mm512_storeu_si512(out + 512 + q * 64,
                          _mm512_add_epi8(_mm512_mullo_epi16(high, scale[1]), offset[1]));
    }
  }
}

// One part: two panels after two, each against all rows of the part, 32 at a time. While the tiles
// multiply one block of 32 rows by 32 channels, the vector units finish the block before it.
class IntegerPart {
 public:
  static constexpr int64_t kRows = 2 * kTileRows;  // each load of a tile serves two products

  IntegerPart(const LinearTask& task, const LinearPart& part, std::byte* scratch)
      : task_(task), part_(part), expanded_(reinterpret_cast<int8_t*>(scratch)) {}

  // Two panels of int8.
  static int64_t scratch_bytes(WeightFormat format, int64_t k) {
    return format == WeightFormat::kInt4 ? 2 * 16 * QuantizedRows::padded(k) : 0;
  }

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
        const int32_t* sums = sums_[current_];
        pending_ = {sums, row, n_rows, panel, two ? 2 : 1, 0};
        current_ ^= 1;
      }
    }
    finish_rows(pending_.n_rows);
  }

 private:
  // int4: columns that are expanded before they meet the first rows, while still in the first cache.
  static constexpr int64_t kChunk = 512;

  static int64_t less(int64_t a, int64_t b) { return a < b ? a : b; }

  // A tile of 16 rows of activations at the first columns.
  struct Rows {
    const int8_t* at;
    size_t stride;      // from one row to the next
    int64_t block;      // bytes from 64 columns to the next 64
    bool in_one_piece;  // can be asked for ahead
  };
  Rows rows(int64_t row) const {
    const QuantizedRows& q = task_.quantized;
    const auto stride = static_cast<size_t>(q.tiled ? kTileRowBytes : q.padded_k());
    return {q.row_values(row), stride, q.block_stride(), q.tiled};
  }

  // A block whose sums wait to be finished, from row `done` on.
  struct Pending {
    const int32_t* sums = nullptr;
    int64_t row = 0;
    int64_t n_rows = 0;
    int64_t panel = 0;
    int64_t n_panels = 0;
    int64_t done = 0;
  };

  void multiply(int64_t row, int64_t n_rows) {
    tiles_.configure(n_rows);
    const bool is_int4 = task_.format == WeightFormat::kInt4;
    const int64_t padded_k = task_.quantized.padded_k();
    const bool first_rows = row == part_.row_begin;
    const int8_t* w[2];
    for (int i = 0; i < 2; ++i) {
      w[i] = is_int4 ? expanded_ + i * 16 * padded_k : reinterpret_cast<const int8_t*>(packed_[i]);
    }
    const bool lower = n_rows > kTileRows;
    const Rows upper_rows = rows(row);
    const Rows lower_rows = rows(lower ? row + kTileRows : row);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    const int64_t step = is_int4 && first_rows ? kChunk : padded_k;
    for (int64_t begin = 0; begin < padded_k; begin += step) {
      const int64_t end = less(begin + step, padded_k);
      if (is_int4 && first_rows) {
        for (int i = 0; i < 2; ++i) {
          expand_int4(packed_[i], begin, end, expanded_ + i * 16 * padded_k);
        }
      }
      const bool from_memory = !is_int4 && first_rows;
      if (lower) {
        if (from_memory) {
          products<true, true>(w, upper_rows, lower_rows, begin, end);
        } else {
          products<true, false>(w, upper_rows, lower_rows, begin, end);
        }
      } else if (from_memory) {
        products<false, true>(w, upper_rows, lower_rows, begin, end);
      } else {
        products<false, false>(w, upper_rows, lower_rows, begin, end);
      }
    }
    int32_t* sums = sums_[current_];
    _tile_stored(0, sums, 128);
    _tile_stored(1, sums + 16, 128);
    if (!lower) return;
    _tile_stored(2, sums + 512, 128);
    _tile_stored(3, sums + 528, 128);
  }

  template <bool kLower, bool kFromMemory>
  void products(const int8_t* const w[2], const Rows& upper, const Rows& lower, int64_t begin,
                int64_t end) {
    constexpr int64_t kAhead = 8 * kTileBytes;  // in weights that come from memory
    // Rows to finish with every 64 columns, so that about all are done when the columns are.
    const int64_t each = (pending_.n_rows * 64 + task_.k - 1) / task_.k;
    for (int64_t k = begin; k < end; k += 64) {
      const int8_t* upper_tile = upper.at + k / 64 * upper.block;
      const int8_t* lower_tile = lower.at + k / 64 * lower.block;
      _tile_loadd(6, w[0] + k * 16, 64);
      _tile_loadd(7, w[1] + k * 16, 64);
      if constexpr (kFromMemory) {
        prefetch_tile(w[0] + k * 16 + kAhead);
        prefetch_tile(w[1] + k * 16 + kAhead);
      }
      _tile_loadd(4, upper_tile, upper.stride);
      if (upper.in_one_piece) prefetch_tile(upper_tile + 2 * upper.block);
      _tile_dpbssd(0, 4, 6);
      _tile_dpbssd(1, 4, 7);
      if constexpr (kLower) {
        _tile_loadd(5, lower_tile, lower.stride);
        if (lower.in_one_piece) prefetch_tile(lower_tile + 2 * lower.block);
        _tile_dpbssd(2, 5, 6);
        _tile_dpbssd(3, 5, 7);
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
  int8_t* expanded_;
  const std::byte* packed_[2] = {};
  SumsOfTwoByTwo tiles_;
  Pending pending_;
  int current_ = 0;
  alignas(64) int32_t sums_[2][kRows * 2 * 16];  // [pending and present][rows][2 panels][16]
};

inline void run_integer(const LinearTask& task, const LinearPart& part, std::byte* scratch) {
  IntegerPart(task, part, scratch).run();
}

}  // namespace
}  // namespace autoglm::amx
#endif
