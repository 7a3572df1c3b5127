// AVX-512 products of int8 and progressive weights (emulated_testing.h).
#include "support/avx512_emulation.h"

#include "kernels/linear/avx512_run.h"
#include "kernels/linear/emulated_testing.h"

namespace autoglm {
namespace {

TEST(EmulatedLinear, Avx512GivesTheGenericVariantsBitsOfIntegers) {
  expect_generic_bits({"avx512", avx512::run_integers}, is_integer);
}

}  // namespace
}  // namespace autoglm
