// Sets of Unicode scalar values (surrogates are never members), and the byte sequences that UTF-8
// writes them with.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace autoglm::grammar {

struct CodeRange {
  char32_t first = 0;
  char32_t last = 0;
  bool operator==(const CodeRange&) const = default;
};

class CodePointSet {
 public:
  CodePointSet() = default;
  static CodePointSet all();
  static CodePointSet of(char32_t first, char32_t last);

  void add(char32_t first, char32_t last);
  void add(const CodePointSet& other);
  CodePointSet complement() const;
  CodePointSet intersection(const CodePointSet& other) const;
  bool contains(char32_t c) const;
  bool empty() const { return ranges_.empty(); }
  // Sorted, disjoint, not touching.
  const std::vector<CodeRange>& ranges() const { return ranges_; }
  bool operator==(const CodePointSet&) const = default;

 private:
  std::vector<CodeRange> ranges_;
};

// Bytes that follow one another, each from a range: the UTF-8 of some characters.
struct ByteSequence {
  struct Range {
    uint8_t first = 0;
    uint8_t last = 0;
    bool operator==(const Range&) const = default;
  };
  std::array<Range, 4> bytes;
  int length = 0;
};

// All of them together spell exactly the members of the set.
std::vector<ByteSequence> utf8_sequences(const CodePointSet& set);

}  // namespace autoglm::grammar
