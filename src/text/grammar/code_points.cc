#include "text/grammar/code_points.h"

#include <algorithm>

#include "base/utf8.h"

namespace autoglm::grammar {
namespace {

// Splits until the bytes of a range's ends differ only in positions after which all are free.
void split(char32_t first, char32_t last, std::vector<ByteSequence>& out) {
  for (const char32_t edge : {char32_t{0x7F}, char32_t{0x7FF}, char32_t{0xFFFF}}) {
    if (first <= edge && edge < last) {
      split(first, edge, out);
      split(edge + 1, last, out);
      return;
    }
  }
  if (last >= 0x80) {
    for (int bits = 6; bits <= 18; bits += 6) {
      const char32_t mask = (char32_t{1} << bits) - 1;
      if ((first & ~mask) == (last & ~mask)) continue;
      if ((first & mask) != 0) {
        split(first, first | mask, out);
        split((first | mask) + 1, last, out);
        return;
      }
      if ((last & mask) != mask) {
        split(first, (last & ~mask) - 1, out);
        split(last & ~mask, last, out);
        return;
      }
    }
  }
  const EncodedCharacter low = encode_utf8(first), high = encode_utf8(last);
  ByteSequence sequence{.length = static_cast<int>(low.length)};
  for (size_t i = 0; i < low.length; ++i) {
    sequence.bytes[i] = {static_cast<uint8_t>(low.bytes[i]), static_cast<uint8_t>(high.bytes[i])};
  }
  out.push_back(sequence);
}

}  // namespace

CodePointSet CodePointSet::all() { return of(0, kLastCodePoint); }

CodePointSet CodePointSet::of(char32_t first, char32_t last) {
  CodePointSet set;
  set.add(first, last);
  return set;
}

void CodePointSet::add(char32_t first, char32_t last) {
  last = std::min(last, kLastCodePoint);
  if (first > last) return;
  if (first <= kLastSurrogate && last >= kFirstSurrogate) {
    if (first < kFirstSurrogate) add(first, kFirstSurrogate - 1);
    if (last > kLastSurrogate) add(kLastSurrogate + 1, last);
    return;
  }
  // The first range that may touch the new one, and the first that lies behind it.
  auto begin = std::find_if(ranges_.begin(), ranges_.end(),
                            [&](const CodeRange& r) { return r.last + 1 >= first; });
  auto end =
      std::find_if(begin, ranges_.end(), [&](const CodeRange& r) { return r.first > last + 1; });
  if (begin != end) {
    first = std::min(first, begin->first);
    last = std::max(last, (end - 1)->last);
  }
  ranges_.insert(ranges_.erase(begin, end), CodeRange{first, last});
}

void CodePointSet::add(const CodePointSet& other) {
  for (const CodeRange& range : other.ranges_) add(range.first, range.last);
}

CodePointSet CodePointSet::complement() const {
  CodePointSet result;
  char32_t next = 0;
  for (const CodeRange& range : ranges_) {
    if (range.first > next) result.add(next, range.first - 1);
    next = range.last + 1;
  }
  result.add(next, kLastCodePoint);
  return result;
}

CodePointSet CodePointSet::intersection(const CodePointSet& other) const {
  CodePointSet result;
  auto a = ranges_.begin();
  auto b = other.ranges_.begin();
  while (a != ranges_.end() && b != other.ranges_.end()) {
    result.add(std::max(a->first, b->first), std::min(a->last, b->last));
    a->last < b->last ? ++a : ++b;
  }
  return result;
}

bool CodePointSet::contains(char32_t c) const {
  const auto found =
      std::find_if(ranges_.begin(), ranges_.end(), [&](const CodeRange& r) { return r.last >= c; });
  return found != ranges_.end() && found->first <= c;
}

std::vector<ByteSequence> utf8_sequences(const CodePointSet& set) {
  std::vector<ByteSequence> result;
  for (const CodeRange& range : set.ranges()) split(range.first, range.last, result);
  return result;
}

}  // namespace autoglm::grammar
