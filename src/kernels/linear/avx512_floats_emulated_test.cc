// AVX-512 products of float weights (emulated_testing.h).
#include "support/avx512_emulation.h"

#include "kernels/linear/avx512_run.h"
#include "kernels/linear/emulated_testing.h"

namespace autoglm {
namespace {

TEST(EmulatedLinear, Avx512GivesTheGenericVariantsBitsOfFloats) {
  expect_generic_bits({"avx512", avx512::run_floats},
                      [](WeightFormat format) { return !is_integer(format); });
}

}  // namespace
}  // namespace autoglm
