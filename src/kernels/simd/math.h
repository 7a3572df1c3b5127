// exp, silu, erf, gelu and tanh on sixteen lanes, of any of the vector types: the same operations
// in the same order, so the same bits, on every instruction set.
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

// The error function within 4e-7: x P(x^2) / Q(x^2), bounded where it is 1 in f32, as Eigen's
// generic_fast_erf (MathFunctionsImpl.h).
template <class F>
F erf(F x) {
  const F bounded = min(F::set(4.0f), max(F::set(-4.0f), x));
  const F square = bounded * bounded;
  F p = F::set(-2.72614225801306e-10f);
  p = fma(p, square, F::set(2.77068142495902e-08f));
  p = fma(p, square, F::set(-2.10102402082508e-06f));
  p = fma(p, square, F::set(-5.69250639462346e-05f));
  p = fma(p, square, F::set(-7.34990630326855e-04f));
  p = fma(p, square, F::set(-2.95459980854025e-03f));
  p = fma(p, square, F::set(-1.60960333262415e-02f));
  F q = F::set(-1.45660718464996e-05f);
  q = fma(q, square, F::set(-2.13374055278905e-04f));
  q = fma(q, square, F::set(-1.68282697438203e-03f));
  q = fma(q, square, F::set(-7.37332916720468e-03f));
  q = fma(q, square, F::set(-1.42647390514189e-02f));
  return bounded * p / q;
}

// x / 2 (1 + erf(x / sqrt(2)))
template <class F>
F gelu(F x) {
  const F half = x * F::set(0.5f);
  return fma(half, erf(x * F::set(0.70710678118654752f)), half);
}

// 1 - 2 / (1 + e^2x): within 2^-23 of it, which near 0 is no small part of it.
template <class F>
F tanh(F x) {
  return F::set(1.0f) - F::set(2.0f) / (F::set(1.0f) + exp(x + x));
}

}  // namespace autoglm
