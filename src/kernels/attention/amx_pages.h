// Scores and outputs on AMX tiles over keys and values stored as bf16. Queries, times the scale,
// and softmax weights are split into two numbers of bf16, so that 16 of their 24 bits count:
//   s[j] = sum over d of (high(q[d]) + low(q[d])) * k[d][j]
//   o[d] = sum over j of (high(p[j]) + low(p[j])) * v[j][d]
// in the order of tdpbf16ps (linear/linear.h), 32 d or 32 j at a time: high ones, then low ones. A
// query is a row of a tile: what else is in the tile never reaches it, and keys that it may not see
// have weights of zero, which leave its sums as they are.
#pragma once

#if defined(__AMX_INT8__) || defined(__AMXINT8__) || defined(AUTOGLM_EMULATED_AVX512)
#include <cstdint>

#include "kernels/attention/stretch.h"
#include "kernels/simd/amx_tiles.h"
#include "kernels/simd/avx512.h"
#include "kernels/simd/half.h"

namespace autoglm {
namespace {

class AmxPages {
 public:
  AmxPages(const AttentionArgs& args, const AttentionPart&, Stretch& stretch)
      : stretch_(stretch), head_dim_(args.cache.head_dim), d_blocks_((stretch.width + 31) / 32) {
    auto* memory = reinterpret_cast<uint16_t*>(stretch.wide);
    queries_ = memory;
    weights_ = queries_ + 2 * kQueries * d_blocks_ * 32;
    keys_ = weights_ + 2 * kQueries * kKeys;
    values_ = keys_ + d_blocks_ * 2 * kTile;
    // A tile of fewer rows takes less time to load; 17 and more are taken as 32.
    tiles_.configure(stretch.n <= amx::kTileRows ? stretch.n : 2 * amx::kTileRows);
    for (int64_t i = 0; i < stretch.n; ++i) split_query(i, args);
  }

  void scores(int64_t page) {
    int64_t from, to;
    stretch_.seeing(page, &from, &to);
    pair_keys(page);
    for (int64_t q = from / 32 * 32; q < to; q += 32) {
      zero_sums();
      for (int64_t d = 0; d < d_blocks_; ++d) {
        _tile_loadd(6, keys_ + d * 2 * kTile, kPairBytes);
        _tile_loadd(7, keys_ + d * 2 * kTile + 32, kPairBytes);
        multiply(queries_, kQueries * d_blocks_ * 32, q, d_blocks_, d);
      }
      store_sums(stretch_.scores + q * kKeys + page * kPage, kKeys, true);
    }
  }

  // The softmax weights of a query, and zeros for what it may not see.
  void weights(int64_t q) {
    const float* p = stretch_.scores + q * kKeys;
    const int64_t begin = stretch_.begin[q] / 16 * 16;
    const int64_t end = (stretch_.end[q] + 15) / 16 * 16;
    for (int64_t j = stretch_.first_page * kPage; j < stretch_.end_page * kPage; j += 16) {
      const bool seen = j >= begin && j < end;
      const __m512 x = seen ? _mm512_loadu_ps(p + j) : _mm512_setzero_ps();
      split(x, place(weights_, q, AttentionPart::kStretchPages, j), kQueries * kKeys);
    }
  }

  void outputs(float* out) {
    for (int64_t d = 0; d < stretch_.width; d += 32) {
      const bool two = d + 32 <= stretch_.width;
      for (int64_t page = stretch_.first_page; page < stretch_.end_page; ++page) {
        pair_values(page, d, two);
      }
      for (int64_t q = stretch_.seen_begin / 32 * 32; q < stretch_.seen_end; q += 32) {
        zero_sums();
        for (int64_t page = stretch_.first_page; page < stretch_.end_page; ++page) {
          _tile_loadd(6, values_ + page * 2 * kTile, kPairBytes);
          _tile_loadd(7, values_ + page * 2 * kTile + 32, kPairBytes);
          multiply(weights_, kQueries * kKeys, q, AttentionPart::kStretchPages, page);
        }
        store_sums(out + q * stretch_.width + d, stretch_.width, two);
      }
    }
  }

 private:
  static constexpr int64_t kPage = KvCache::kPageTokens;
  static constexpr int64_t kKeys = AttentionPart::kStretch;
  static constexpr int64_t kQueries = AttentionPart::kMaxQueries;
  static constexpr int64_t kTile = amx::kTileBytes / 2;  // numbers of bf16
  // From one pair of rows to the next where two tiles lie side by side.
  static constexpr size_t kPairBytes = 2 * amx::kTileRowBytes;

  // Number `column` of query q in tiles of 16 queries by 32 columns, `blocks` tiles for 16 queries.
  static uint16_t* place(uint16_t* tiles, int64_t q, int64_t blocks, int64_t column) {
    return tiles + (q / 16 * blocks + column / 32) * kTile + q % 16 * 32 + column % 32;
  }

  void split_query(int64_t i, const AttentionArgs& args) {
    const int64_t head_dim = args.cache.head_dim;
    const __m512 scale = _mm512_set1_ps(args.scale);
    for (int64_t d = 0; d < d_blocks_ * 32; d += 16) {
      const avx512::F32 x = avx512::F32::load(stretch_.q[i] + (d < head_dim ? d : 0), head_dim - d);
      split(_mm512_mul_ps(x.v, scale), place(queries_, i, d_blocks_, d), kQueries * d_blocks_ * 32);
    }
  }

  // Low parts stand `apart` further on. Not-a-number and infinity stay in sight.
  static void split(__m512 x, uint16_t* high, int64_t apart) {
    amx::split_bf16(x, high, high + apart);
  }

  static void zero_sums() {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }

  // Sums 0..3 += 32 rows of `left`, from q on, block `block` of each, times tiles 6 and 7.
  void multiply(const uint16_t* left, int64_t apart, int64_t q, int64_t blocks,
                int64_t block) const {
    const uint16_t* upper = left + (q / 16 * blocks + block) * kTile;
    const uint16_t* lower = upper + blocks * kTile;
    const bool has_lower = stretch_.n > amx::kTileRows;
    for (const int64_t part : {int64_t{0}, apart}) {
      // Loads first: where another thread shares the core, products between them wait for each.
      _tile_loadd(4, upper + part, amx::kTileRowBytes);
      if (has_lower) _tile_loadd(5, lower + part, amx::kTileRowBytes);
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      if (!has_lower) continue;
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  }

  void store_sums(float* out, int64_t stride, bool two) const {
    const auto bytes = static_cast<size_t>(stride) * sizeof(float);
    _tile_stored(0, out, bytes);
    if (two) _tile_stored(1, out + 16, bytes);
    if (stretch_.n <= amx::kTileRows) return;
    _tile_stored(2, out + 16 * stride, bytes);
    if (two) _tile_stored(3, out + 16 * stride + 16, bytes);
  }

  // Rows a and b of 32 numbers as 32 pairs.
  static void store_pairs(__m512i a, __m512i b, uint16_t* out) {
    alignas(64) static constexpr uint16_t kFirst[32] = {0,  32, 1,  33, 2,  34, 3,  35, 4,  36, 5,
                                                        37, 6,  38, 7,  39, 8,  40, 9,  41, 10, 42,
                                                        11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
    const __m512i first = _mm512_load_si512(kFirst);
    const __m512i second = _mm512_add_epi16(first, _mm512_set1_epi16(16));
    _mm512_storeu_si512(out, _mm512_permutex2var_epi16(a, first, b));
    _mm512_storeu_si512(out + 32, _mm512_permutex2var_epi16(a, second, b));
  }

  const uint16_t* keys_of(int64_t page) const {
    return reinterpret_cast<const uint16_t*>(stretch_.keys[page]);
  }

  // A page's keys, [width][32], as [width / 2][32 keys][2]. Meanwhile the page's values come, and
  // the next page's keys.
  void pair_keys(int64_t page) {
    const uint16_t* from = keys_of(page);
    const char* values = reinterpret_cast<const char*>(from + kPage * stretch_.width);
    const char* next = page + 1 < stretch_.end_page
                           ? reinterpret_cast<const char*>(stretch_.keys[page + 1])
                           : values;
    for (int64_t d = 0; d < head_dim_; d += 2) {
      __builtin_prefetch(values + d * 64, 0, 2);
      __builtin_prefetch(values + d * 64 + 64, 0, 2);
      __builtin_prefetch(next + d * 64, 0, 3);
      __builtin_prefetch(next + d * 64 + 64, 0, 3);
      // What pads a head was never written.
      const __m512i second =
          d + 1 < head_dim_ ? _mm512_loadu_si512(from + (d + 1) * kPage) : _mm512_setzero_si512();
      store_pairs(_mm512_loadu_si512(from + d * kPage), second, keys_ + d / 2 * 64);
    }
    for (int64_t d = (head_dim_ + 1) / 2 * 2; d < d_blocks_ * 32; d += 2) {
      store_pairs(_mm512_setzero_si512(), _mm512_setzero_si512(), keys_ + d / 2 * 64);
    }
  }

  // Columns [d, d + 32) of a page's values, [32 keys][width], as [16][32 columns][2 keys]. Keys
  // that nobody may see yet hold anything: they become zeros, as zero times a number is.
  void pair_values(int64_t page, int64_t d, bool two) {
    const uint16_t* from = keys_of(page) + kPage * stretch_.width + d;
    const int64_t seen = stretch_.end[stretch_.seen_end - 1] - page * kPage;
    const char* next = reinterpret_cast<const char*>(stretch_.next_keys[page]);
    const __mmask32 columns = two ? 0xffffffffu : 0xffffu;
    const auto load = [&](int64_t key) {
      if (key >= seen) return _mm512_setzero_si512();
      return _mm512_maskz_loadu_epi16(columns, from + key * stretch_.width);
    };
    for (int64_t key = 0; key < kPage; key += 2) {
      // Of the next stretch's keys a share for each column.
      if (next != nullptr) {
        __builtin_prefetch(next + (d * kPage + key * 32) * 2, 0, 2);
        __builtin_prefetch(next + (d * kPage + key * 32) * 2 + 64, 0, 2);
      }
      store_pairs(load(key), load(key + 1), values_ + page * 2 * kTile + key / 2 * 64);
    }
  }

  Stretch& stretch_;
  const int64_t head_dim_;
  const int64_t d_blocks_;  // of 32
  uint16_t* queries_;       // tiles of high parts, then of low ones
  uint16_t* weights_;       // the same
  uint16_t* keys_;          // of the present page, in pairs
  uint16_t* values_;        // 32 columns of the present stretch, in pairs
  amx::SumsOfTwoByTwo tiles_;
};

}  // namespace
}  // namespace autoglm
#endif
