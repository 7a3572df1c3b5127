// Products on AMX tiles (emulated_testing.h).
#include "support/avx512_emulation.h"

#include <cmath>

#include "kernels/linear/amx_bf16.h"
#include "kernels/linear/amx_integer.h"
#include "kernels/linear/emulated_testing.h"
#include "kernels/simd/half.h"

namespace autoglm {
namespace {

TEST(EmulatedLinear, AmxGivesTheGenericVariantsBitsOfIntegers) {
  expect_generic_bits({"amx", amx::run_integer, false, amx::integer_scratch_bytes}, is_integer);
  expect_generic_bits({"amx in tiles", amx::run_integer, true, amx::integer_scratch_bytes},
                      is_integer);
}

// linear.h: bf16 weights on AMX.
TEST(EmulatedLinear, SumsBf16OnAmxAsStated) {
  for (const int64_t m : {1, 5, 16, 17, 33}) {
    for (const int64_t k : {1, 31, 32, 70}) {
      constexpr int64_t n = 35;
      Result<PackedWeight> weight = PackedWeight::allocate(WeightFormat::kBF16, n, k);
      weight->pack_panels(0, weight->n_panels(), row_by_row([&](int64_t row, std::span<float> out) {
                            const std::vector<float> values =
                                random_values(k, static_cast<uint32_t>(row), 0.1f);
                            std::copy(values.begin(), values.end(), out.begin());
                          }));
      const std::vector<float> x = random_values(m * k, 1);
      std::vector<float> y(static_cast<size_t>(m * n));
      Result<AlignedBuffer> rows =
          AlignedBuffer::allocate(static_cast<size_t>(Bf16Rows::bytes(m, k)));
      amx::split_rows({.x = x.data(), .x_stride = k, .k = k, .row_end = m, .rows = rows->data()});
      LinearTask task = linear_task(
          {.weight = &*weight, .m = m, .x = x.data(), .x_stride = k, .y = y.data(), .y_stride = n},
          {});
      task.bf16_rows = rows->data();
      amx::run_bf16(task, LinearPart{.row_end = m, .panel_end = weight->n_panels()}, nullptr);
      std::vector<float> w(static_cast<size_t>(k));
      for (int64_t j = 0; j < n; ++j) {
        weight->decode_row(j, w);
        for (int64_t i = 0; i < m; ++i) {
          float sum = 0;
          for (int64_t begin = 0; begin < k; begin += 32) {
            for (const bool low : {false, true}) {
              float parts[2] = {0, 0};
              for (int64_t c = begin; c < std::min(begin + 32, k); ++c) {
                const float value = x[static_cast<size_t>(i * k + c)];
                const float high = bf16_to_f32(f32_to_bf16(value));
                const float part = low ? bf16_to_f32(f32_to_bf16(value - high)) : high;
                parts[c % 2] = std::fma(part, w[static_cast<size_t>(c)], parts[c % 2]);
              }
              sum = sum + (parts[0] + parts[1]);
            }
          }
          ASSERT_EQ(y[static_cast<size_t>(i * n + j)], sum) << "m " << m << " k " << k;
        }
      }
    }
  }
}

}  // namespace
}  // namespace autoglm
