// Philox4x32-10, a counter-based random generator (Salmon and others, "Parallel random numbers: as
// easy as 1, 2, 3", SC 2011): the numbers of a draw depend on its key and counter alone, so nothing
// that happens elsewhere can shift them.
#pragma once

#include <array>
#include <cstdint>

namespace autoglm {

using PhiloxCounter = std::array<uint32_t, 4>;

constexpr PhiloxCounter philox(PhiloxCounter counter, uint64_t key) {
  auto key0 = static_cast<uint32_t>(key);
  auto key1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * counter[0];
    const uint64_t b = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key0, static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key1, static_cast<uint32_t>(a)};
    key0 += 0x9E3779B9;  // the golden ratio
    key1 += 0xBB67AE85;  // sqrt(3) - 1
  }
  return counter;
}

// A number in [0, 1) with 53 bits, for the token at `position` of answer `choice`.
constexpr double uniform_draw(uint64_t seed, int32_t choice, int64_t position) {
  const auto place = static_cast<uint64_t>(position);
  const PhiloxCounter bits =
      philox({static_cast<uint32_t>(place), static_cast<uint32_t>(place >> 32),
              static_cast<uint32_t>(choice), 0},
             seed);
  const uint64_t high = (uint64_t{bits[0]} << 32 | bits[1]) >> 11;
  return static_cast<double>(high) * 0x1p-53;
}

}  // namespace autoglm
