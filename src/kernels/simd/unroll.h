// A loop over [0, N) that the compiler sees written out from the start: arrays that it indexes then
// live in registers. (Loops unrolled by the optimizer come too late for that where they stand in
// other loops: g++ 12 stores every sum each time round.)
#pragma once

#include <utility>

namespace autoglm {
namespace {  // included by files of different instruction sets

template <int N, class Body>
[[gnu::always_inline]] inline void unroll(const Body& body) {
  [&]<int... i>(std::integer_sequence<int, i...>) __attribute__((always_inline)) {
    (body(std::integral_constant<int, i>{}), ...);
  }
  (std::make_integer_sequence<int, N>{});
}

}  // namespace
}  // namespace autoglm
