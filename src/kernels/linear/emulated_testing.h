// The AVX-512 and AMX variants on machines that have neither: their own source over emulated
// instructions, against the generic variant, bit for bit. It shows that the logic is right; speed
// and the real instructions are for machines that have them (linear_test.cc runs there). A test
// program's file a variant, since each takes long to compile.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/linear/panel_kernels.h"
#include "kernels/testing/values.h"
#include "kernels/testing/variants.h"

namespace autoglm {

struct EmulatedVariant {
  const char* name;
  void (*run)(const LinearTask&, const LinearPart&, std::byte*);
  bool tiled = false;                                                  // wants rows in tiles
  int64_t (*scratch_bytes)(WeightFormat format, int64_t k) = nullptr;  // nullptr: needs none
};

// Expects the generic variant's bits of `variant` for every format that `takes` holds for, with all
// remainders of rows, channels and columns.
inline void expect_generic_bits(const EmulatedVariant& variant,
                                bool (*takes)(WeightFormat format)) {
  ThreadPool pool(1);
  struct Shape {
    int64_t m, n, k;
  };
  std::vector<Shape> shapes;
  for (const int64_t m : {1, 2, 3, 4, 5, 7, 11, 12, 13, 16, 17, 31, 32, 33, 47, 70}) {
    shapes.push_back({m, 83, 131});
  }
  for (const int64_t n : {1, 16, 17, 128, 144}) shapes.push_back({2, n, 64});
  for (const int64_t k : {1, 63, 65, 128, 200, 320, 450}) shapes.push_back({9, 40, k});
  for (const WeightFormat format : formats_of_floats()) {
    if (!takes(format)) continue;
    for (const Shape& s : shapes) {
      for (const bool swiglu : {false, true}) {
        const int64_t n = swiglu ? 2 * s.n : s.n;
        Result<PackedWeight> weight =
            PackedWeight::allocate(format, n, s.k, swiglu ? PackOrder::kGateUp : PackOrder::kPlain);
        weight->pack_panels(0, weight->n_panels(),
                            row_by_row([&](int64_t row, std::span<float> out) {
                              const std::vector<float> values =
                                  random_values(s.k, static_cast<uint32_t>(row), 0.1f);
                              std::copy(values.begin(), values.end(), out.begin());
                            }));
        const std::vector<float> x = random_values(s.m * s.k, 1);
        const std::vector<float> bias = random_values(n, 2);
        const std::vector<float> residual = random_values(s.m * s.n, 3);
        Result<AlignedBuffer> memory =
            AlignedBuffer::allocate(static_cast<size_t>(QuantizedRows::bytes(s.m, s.k)));
        const auto run = [&](auto kernel, bool tiled) {
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
          const int64_t wanted =
              variant.scratch_bytes == nullptr ? 0 : variant.scratch_bytes(format, s.k);
          Result<AlignedBuffer> scratch = AlignedBuffer::allocate(static_cast<size_t>(wanted + 64));
          kernel(task, LinearPart{.row_end = s.m, .panel_end = weight->n_panels()},
                 scratch->data());
          return y;
        };
        const std::vector<float> expected = run(kLinearGeneric.run, false);
        expect_same_bits(run(variant.run, variant.tiled), expected,
                         std::string(variant.name) + " " + std::string(weight_format_name(format)) +
                             " m " + std::to_string(s.m) + " n " + std::to_string(s.n) + " k " +
                             std::to_string(s.k));
      }
    }
  }
}

}  // namespace autoglm
