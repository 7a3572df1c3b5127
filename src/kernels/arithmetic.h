// The version of what graphs and kernels compute together, to the bit. Raised with every change
// that gives other bits for the same weights and tokens: what an older program computed and kept
// (spilled KV pages, cached answers) is then no longer what this one would compute, and is refused.
// runtime/arithmetic_test.cc fails when bits change and this does not.
#pragma once

#include <cstdint>

namespace autoglm {

inline constexpr int64_t kArithmeticVersion = 2;

}  // namespace autoglm
