// Progressive codes: integers with an integer scale and offset for each group of columns, so that
// what they stand for is an int8 times one float for the row. Which forms of them there are;
// kernels/linear/progressive.h makes them, formats/coded_matrix.h stores them.
#pragma once

#include <cstdint>

namespace autoglm {

// So many bits a code, so many columns that share a scale and an offset.
struct Progressive {
  int bits = 0;  // 2 to 5; 0: none, of formats that are not progressive
  int64_t group_size = 0;

  constexpr int largest_code() const { return (1 << bits) - 1; }
  // 8, 16, 36 or 84: largest_code() times it spans int8 at most, and is a byte without sign.
  constexpr int largest_scale() const { return 254 / largest_code(); }
  // Bits a weight, without the scale of a channel.
  constexpr double cost() const { return bits + 16.0 / static_cast<double>(group_size); }
  constexpr bool exists() const { return bits != 0; }
  bool operator==(const Progressive&) const = default;
};

// Those that kernels and checkpoints have.
inline constexpr Progressive kProgressives[] = {{5, 32}, {4, 32}, {4, 64}, {4, 128},
                                                {3, 32}, {3, 64}, {2, 32}, {2, 64}};

}  // namespace autoglm
