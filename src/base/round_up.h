// Sizes that are multiples.
#pragma once

#include <cstdint>

namespace autoglm {

// The least multiple of `to` that is not below n; both at least 0 and 1.
constexpr int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

}  // namespace autoglm
