// How a matrix's codes look: 8 bits, or 4 bits in groups of columns that share a scale and an
// offset.
#pragma once

#include <cstdint>
#include <vector>

namespace autoglm {

struct Precision {
  int bits = 8;            // 8 or 4
  int64_t group_size = 0;  // 4 bits: 32, 64 or 128; 8 bits: 0

  // Bits a weight with scales and offsets of 8 bits a group, without those of rows.
  double cost() const {
    return group_size == 0 ? bits : bits + 16.0 / static_cast<double>(group_size);
  }
  bool operator==(const Precision&) const = default;
};

// Those that a mixture may choose from, cheapest first.
using Ladder = std::vector<Precision>;

}  // namespace autoglm
