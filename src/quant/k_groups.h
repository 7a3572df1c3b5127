// What block formats share: the packed scales and minima of Q4_K and Q5_K, the levels of IQ4_NL and
// IQ4_XS, whose steps widen away from zero.
#pragma once

#include <cstdint>

namespace autoglm {

inline constexpr int8_t kIq4Levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                          1,    13,   25,  38,  53,  69,  89,  113};

// Group `group` of IQ4_XS: four low bits in `low` (two groups a byte), two high ones in `high`, 32
// more than the scale.
inline int unpack_iq4_xs(const uint8_t* low, uint16_t high, int group) {
  const int bits = (low[group / 2] >> (group % 2 * 4) & 15) | (high >> (group * 2) & 3) << 4;
  return bits - 32;
}

struct ScaleAndMinimum {
  int scale;
  int minimum;
};

// 12 bytes hold eight six-bit scales and eight six-bit minima: the first four of each in the low
// six bits of bytes 0-3 and 4-7; the last four in halves of bytes 8-11, completed by the top two
// bits of bytes 0-7.
inline ScaleAndMinimum unpack_k4(const uint8_t* packed, int group) {
  if (group < 4) return {packed[group] & 63, packed[group + 4] & 63};
  return {(packed[group + 4] & 15) | (packed[group - 4] >> 6) << 4,
          (packed[group + 4] >> 4) | (packed[group] >> 6) << 4};
}

}  // namespace autoglm
