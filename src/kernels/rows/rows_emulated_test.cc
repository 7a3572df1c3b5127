// The AVX-512 row kernels over emulated instructions, against the generic ones, bit for bit
// (linear/emulated_testing.h says what that shows).
#include "support/avx512_emulation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "kernels/rows/body.h"
#include "kernels/simd/avx512.h"
#include "kernels/testing/values.h"

namespace autoglm {
namespace {

TEST(EmulatedRows, GiveTheGenericKernelsBits) {
  const RowKernels& emulated = RowBody<avx512::F32>::kTable;
  const RowKernels& generic = row_kernels(Isa::kGeneric);
  for (const int64_t n : {1, 15, 16, 17, 70}) {
    const std::vector<float> x = random_values(n, 1, 20.0f);
    const std::vector<float> w = random_values(n, 2);
    const auto both = [&](auto body) {
      std::vector<float> a(x.size() + 1, 7.0f);
      std::vector<float> b(x.size() + 1, 7.0f);
      body(generic, a);
      body(emulated, b);
      expect_same_bits(b, a, "n " + std::to_string(n));
    };
    both([&](const RowKernels& k, std::vector<float>& y) { k.exp(x.data(), y.data(), n); });
    both([&](const RowKernels& k, std::vector<float>& y) {
      k.swiglu(x.data(), w.data(), y.data(), n);
    });
    both([&](const RowKernels& k, std::vector<float>& y) {
      k.add(x.data(), w.data(), y.data(), n);
    });
    both([&](const RowKernels& k, std::vector<float>& y) {
      k.norm({.n = n, .x = x.data(), .weight = w.data(), .eps = 1e-6f, .y = y.data()});
    });
    both([&](const RowKernels& k, std::vector<float>& y) {
      std::copy(x.begin(), x.end(), y.begin());
      k.rotate_half_split({.half = n / 2, .cos = w.data(), .sin = w.data(), .x = y.data()});
    });
    both([&](const RowKernels& k, std::vector<float>& y) {
      alignas(64) int8_t values[128];
      int16_t sums[4];
      int32_t sum = 0;
      k.quantize({.k = n,
                  .x = x.data(),
                  .values = values,
                  .group_sums = sums,
                  .sum = &sum,
                  .scale = &y[0]});
      for (int64_t i = 1; i < n; ++i) y[static_cast<size_t>(i)] = values[i];
      y.back() = static_cast<float>(sum);
    });
  }
}

}  // namespace
}  // namespace autoglm
