// What a part works on: its queries, the keys that each of them may see of the present stretch, and
// the working memory of one thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/attention/variants.h"

namespace autoglm {
namespace {  // included by files of different instruction sets

constexpr int64_t less(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t greater(int64_t a, int64_t b) { return a > b ? a : b; }

struct Stretch {
  static constexpr int64_t kPage = KvCache::kPageTokens;
  static constexpr int64_t kKeys = AttentionPart::kStretch;
  static constexpr int64_t kQueries = AttentionPart::kMaxQueries;

  Stretch(const AttentionArgs& call, const AttentionPart& piece, float* memory)
      : args(call),
        part(piece),
        width(padded_head(call.cache.head_dim)),
        n(piece.n_rows * piece.n_heads) {
    scores = memory;
    wide = scores + kQueries * kKeys;
    places = wide + wide_floats(width);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t row = part.row + i / part.n_heads;
      position[i] = part.sequence->start_position + row;
      q[i] = args.q + (part.sequence->first_row + row) * args.q_stride +
             (part.head + i % part.n_heads) * args.cache.head_dim;
    }
  }

  // Room for a page's keys as floats, for a column of 32 of a stretch's values, and for a stretch's
  // weights and the queries in 16 bits.
  static constexpr int64_t wide_floats(int64_t head_width) {
    const int64_t floats = greater(kPage * head_width, 32 * kKeys);
    return greater(floats, greater(kQueries * (kKeys + head_width) / 2, tile_floats(head_width)));
  }
  // Room for what AMX takes in tiles of 16 bits: queries and weights in two parts each, a page's
  // keys, and a column of 32 of a stretch's values.
  static constexpr int64_t tile_floats(int64_t head_width) {
    const int64_t columns = (head_width + 31) / 32 * 32;
    return (2 * kQueries * (columns + kKeys) + columns * kPage + kKeys * 32) / 2;
  }
  static constexpr int64_t floats(int64_t head_width) {
    return kQueries * kKeys + wide_floats(head_width) +
           AttentionPart::kFoldPlaces * fold_floats(head_width);
  }

  int64_t first_key(int64_t at) const {
    return args.window > 0 && at >= args.window ? at - args.window + 1 : 0;
  }

  void select(int64_t index) {
    const int64_t base = index * kKeys;
    seen_begin = n;
    seen_end = 0;
    int64_t lowest = kKeys;
    int64_t highest = 0;
    for (int64_t i = 0; i < n; ++i) {
      begin[i] = greater(first_key(position[i]) - base, 0);
      end[i] = less(position[i] + 1 - base, kKeys);
      if (begin[i] >= end[i]) continue;
      seen_begin = less(seen_begin, i);
      seen_end = i + 1;
      lowest = less(lowest, begin[i]);
      highest = greater(highest, end[i]);
    }
    first_page = lowest / kPage;
    end_page = (highest + kPage - 1) / kPage;
    for (int64_t page = first_page; page < end_page; ++page) keys[page] = keys_at(index, page);
    // Most of the next stretch is known to be needed: all but what comes after the last position.
    const int64_t next = part.sequence->start_position + part.row + part.n_rows - base - kKeys;
    for (int64_t page = 0; page < AttentionPart::kStretchPages; ++page) {
      const bool needed = index + 1 < part.end_stretch && page * kPage < next;
      next_keys[page] = needed ? keys_at(index + 1, page) : nullptr;
    }
  }

  const std::byte* keys_at(int64_t index, int64_t page) const {
    const int32_t* pages = part.sequence->pages.data();
    return args.cache.data +
           pages[index * AttentionPart::kStretchPages + page] * args.cache.page_stride_bytes +
           part.kv_head * KvCache::head_bytes(args.cache.dtype, args.cache.head_dim);
  }

  // The queries that see some key of page `page` of the stretch: [from, to). Rows ascend, and with
  // them both ends of what they see: those queries are neighbours.
  void seeing(int64_t page, int64_t* from, int64_t* to) const {
    *from = seen_begin;
    *to = seen_end;
    while (*from < *to && end[*from] <= page * kPage) ++*from;
    while (*from < *to && begin[*to - 1] >= (page + 1) * kPage) --*to;
  }

  const AttentionArgs& args;
  const AttentionPart& part;
  const int64_t width;  // head_dim, padded
  const int64_t n;      // queries
  const float* q[kQueries];
  int64_t position[kQueries];

  // Of the present stretch. A query sees keys [begin, end) of it; pages [first_page, end_page) hold
  // all keys that any sees, and keys[] says where each page's part for this head lies.
  int64_t begin[kQueries];
  int64_t end[kQueries];
  int64_t seen_begin = 0;  // queries that see some
  int64_t seen_end = 0;
  int64_t first_page = 0;
  int64_t end_page = 0;
  const std::byte* keys[AttentionPart::kStretchPages];
  const std::byte* next_keys[AttentionPart::kStretchPages];  // null where there are none

  float* scores = nullptr;  // [queries, 256]
  float* wide = nullptr;
  float* places = nullptr;  // states of the fold
};

// A block of memory that will be wanted soon, asked for a line or less with every step of a loop of
// products: a thread has room for some twenty lines under way, so asking for a page at once would
// hold up the products, and then leave memory idle while they run.
struct Ahead {
  const std::byte* at = nullptr;
  int64_t step = 0;  // bytes; 0: nothing is wanted

  void ask() {
    __builtin_prefetch(at, 0, 2);  // into the second cache
    at += step;
  }
};

}  // namespace
}  // namespace autoglm
