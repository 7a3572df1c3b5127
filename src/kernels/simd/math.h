// exp and silu on sixteen lanes, of any of the vector types: the same operations in the same order,
// so the same bits, on every instruction set.
#pragma once

#include <cstdint>

namespace autoglm {

// Whole numbers by adding and taking away 1.5 * 2^23, which leaves no room for a fraction: to
// nearest even for |x| < 2^22.
template <class F>
F round_even(F x) {
  const F magic = F::set(12582912.0f);
  return (x + magic) - magic;
}

// e^x within 2 ulp: x = n ln 2 + r with |r| <= ln 2 / 2, e^r by Cephes' polynomial (expf.c), and
// 2^n in two halves so that subnormal results and those next to the greatest come out right. 0
// below -104, infinity above 88.73.
template <class F>
F exp(F x) {
  const F bounded = min(F::set(89.0f), max(F::set(-104.0f), x));
  const F n = round_even(bounded * F::set(1.44269504088896341f));
  // ln 2 in two parts; n times the first is exact.
  const F r = fnma(n, F::set(-2.12194440e-4f), fnma(n, F::set(0.693359375f), bounded));
  F p = F::set(1.9875691500e-4f);
  p = fma(p, r, F::set(1.3981999507e-3f));
  p = fma(p, r, F::set(8.3334519073e-3f));
  p = fma(p, r, F::set(4.1665795894e-2f));
  p = fma(p, r, F::set(1.6666665459e-1f));
  p = fma(p, r, F::set(5.0000001201e-1f));
  const F e = fma(p, r * r, r) + F::set(1.0f);
  const F half = round_even(n * F::set(0.5f));
  return zero_where_less(x, F::set(-104.0f), (e * power_of_two(half)) * power_of_two(n - half));
}

// x / (1 + e^-x)
template <class F>
F silu(F x) {
  return x / (F::set(1.0f) + exp(F::zero() - x));
}

}  // namespace autoglm
