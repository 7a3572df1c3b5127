// The AVX-512 and AMX variants on machines that have neither: their own source over emulated
// instructions, against the generic variant, bit for bit. It shows that the logic is right; speed
// and the real instructions are for machines that have them (linear_test.cc runs there).
#include "support/avx512_emulation.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/linear/amx_bf16.h"
#include "kernels/linear/amx_integer.h"
#include "kernels/linear/avx512_run.h"
#include "kernels/testing/values.h"
#include "kernels/testing/variants.h"

namespace autoglm {
namespace {

struct Variant {
  const char* name;
  void (*run)(const LinearTask&, const LinearPart&, std::byte*);
  bool integer_only;
  bool tiled;
};
// Codes of files have a file of their own: to compile them all takes minutes.
void run_avx512(const LinearTask& task, const LinearPart& part, std::byte* scratch) {
  const auto run = is_integer(task.format) ? avx512::run_integers : avx512::run_floats;
  run(task, part, scratch);
}

constexpr Variant kVariants[] = {{"avx512", run_avx512, false, false},
                                 {"amx", amx::run_integer, true, false},
                                 {"amx in tiles", amx::run_integer, true, true}};

struct Shape {
  int64_t m, n, k;
};

TEST(EmulatedLinear, GivesTheGenericVariantsBits) {
  ThreadPool pool(1);
  std::vector<Shape> shapes;
  for (const int64_t m : {1, 2, 3, 4, 5, 7, 11, 12, 13, 16, 17, 31, 32, 33, 47, 70}) {
    shapes.push_back({m, 83, 131});
  }
  for (const int64_t n : {1, 16, 17, 128, 144}) shapes.push_back({2, n, 64});
  for (const int64_t k : {1, 63, 65, 128, 200, 320, 450}) shapes.push_back({9, 40, k});
  for (const WeightFormat format : formats_of_floats()) {
    for (const Shape& s : shapes) {
      for (const bool swiglu : {false, true}) {
        const int64_t n = swiglu ? 2 * s.n : s.n;
        Result<PackedWeight> weight =
            PackedWeight::allocate(format, n, s.k, swiglu ? PackOrder::kGateUp : PackOrder::kPlain);
        weight->pack_panels(0, weight->n_panels(), [&](int64_t row, std::span<float> out) {
          const std::vector<float> values = random_values(s.k, static_cast<uint32_t>(row), 0.1f);
          std::copy(values.begin(), values.end(), out.begin());
        });
        const std::vector<float> x = random_values(s.m * s.k, 1);
        const std::vector<float> bias = random_values(n, 2);
        const std::vector<float> residual = random_values(s.m * s.n, 3);
        Result<AlignedBuffer> memory =
            AlignedBuffer::allocate(static_cast<size_t>(QuantizedRows::bytes(s.m, s.k)));
        const auto run = [&](auto variant, bool tiled) {
          QuantizedRows rows = QuantizedRows::at(memory->data(), s.m, s.k);
          rows.tiled = tiled;
          rows.column_scales = weight->column_scales();
          const auto room = static_cast<size_t>(quantize_scratch_bytes({.pool = pool}, s.k));
          Result<AlignedBuffer> turned = AlignedBuffer::allocate(room);
          quantize_rows({.pool = pool}, x.data(), s.k, rows, {turned->data(), room});
          std::vector<float> y(static_cast<size_t>(s.m * s.n));
          const LinearTask task =
              linear_task({.weight = &*weight,
                           .m = s.m,
                           .x = x.data(),
                           .x_stride = s.k,
                           .bias = bias.data(),
                           .residual = residual.data(),
                           .residual_stride = s.n,
                           .y = y.data(),
                           .y_stride = s.n,
                           .epilogue = swiglu ? Epilogue::kSwiglu : Epilogue::kNone},
                          rows);
          Result<AlignedBuffer> scratch = AlignedBuffer::allocate(
              static_cast<size_t>(amx::integer_scratch_bytes(WeightFormat::kInt4, s.k)));
          variant(task, LinearPart{.row_end = s.m, .panel_end = weight->n_panels()},
                  scratch->data());
          return y;
        };
        const std::vector<float> expected = run(kLinearGeneric.run, false);
        for (const Variant& variant : kVariants) {
          if (variant.integer_only && !is_integer(format)) continue;
          expect_same_bits(
              run(variant.run, variant.tiled), expected,
              std::string(variant.name) + " " + std::string(weight_format_name(format)) + " m " +
                  std::to_string(s.m) + " n " + std::to_string(s.n) + " k " + std::to_string(s.k));
        }
      }
    }
  }
}

// linear.h: bf16 weights on AMX.
TEST(EmulatedLinear, SumsBf16OnAmxAsStated) {
  for (const int64_t m : {1, 5, 16, 17, 33}) {
    for (const int64_t k : {1, 31, 32, 70}) {
      constexpr int64_t n = 35;
      Result<PackedWeight> weight = PackedWeight::allocate(WeightFormat::kBF16, n, k);
      weight->pack_panels(0, weight->n_panels(), [&](int64_t row, std::span<float> out) {
        const std::vector<float> values = random_values(k, static_cast<uint32_t>(row), 0.1f);
        std::copy(values.begin(), values.end(), out.begin());
      });
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
