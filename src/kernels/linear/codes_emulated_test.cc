// The AVX-512 kernels for codes over emulated instructions, against the generic variant, bit for
// bit (emulated_testing.h says what that shows).
#include "support/avx512_emulation.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "base/thread_pool.h"
#include "kernels/linear/avx512_run.h"
#include "kernels/linear/code_testing.h"
#include "kernels/testing/values.h"
#include "kernels/testing/variants.h"

namespace autoglm {
namespace {

TEST(EmulatedCodes, GiveTheGenericVariantsBits) {
  ThreadPool pool(1);
  for (const WeightFormat format : formats_of_codes()) {
    const int64_t k = 2 * code_form(format).columns() + (code_form(format).nested ? 0 : 32);
    for (const int64_t m : {1, 2, 7, 8, 9, 19}) {
      for (const int64_t n : {16, 50}) {
        const PackedWeight weight = random_code_weight(format, n, k);
        std::mt19937 random(3);
        std::normal_distribution<float> normal;
        std::vector<float> x(static_cast<size_t>(m * k));
        for (float& v : x) v = normal(random);
        x[static_cast<size_t>(k / 2)] = 200;  // kept apart
        Result<AlignedBuffer> memory =
            AlignedBuffer::allocate(static_cast<size_t>(QuantizedRows::bytes(m, k)));
        QuantizedRows rows = QuantizedRows::at(memory->data(), m, k);
        rows.rounding = Rounding::kGroups;
        quantize_rows({.pool = pool}, x.data(), k, rows, {});
        Result<AlignedBuffer> scratch =
            AlignedBuffer::allocate(static_cast<size_t>(CodeSums::bytes(format, k, m) + 64));
        const auto run = [&](auto variant) {
          std::vector<float> y(static_cast<size_t>(m * n));
          const LinearTask task =
              linear_task({.weight = &weight, .m = m, .y = y.data(), .y_stride = n}, rows);
          variant(task, LinearPart{.row_end = m, .panel_end = weight.n_panels()}, scratch->data());
          return y;
        };
        const std::vector<float> expected = run(kLinearGeneric.run);
        const std::vector<float> found = run(avx512::run_codes);
        ASSERT_EQ(std::memcmp(found.data(), expected.data(), found.size() * sizeof(float)), 0)
            << weight_format_name(format) << " m " << m << " n " << n;
      }
    }
  }
}

}  // namespace
}  // namespace autoglm
