// How a matrix's codes look: 8 bits, or progressive (tensor/progressive.h).
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/progressive.h"

namespace autoglm {

struct Precision {
  int bits = 8;
  int64_t group_size = 0;  // 8 bits: 0

  Progressive form() const { return {.bits = bits, .group_size = group_size}; }  // of less than 8
  // Bits a weight with scales and offsets of groups, without the scales of rows.
  double cost() const { return group_size == 0 ? bits : form().cost(); }
  bool operator==(const Precision&) const = default;
};

// Those that a mixture may choose from, cheapest first.
using Ladder = std::vector<Precision>;

}  // namespace autoglm
