// The AVX-512 and AMX variants on machines that have neither: their own source over emulated
// instructions, against the generic variant, bit for bit. It shows that the logic is right; speed
// and the real instructions are for machines that have them (linear_test.cc runs there).
#include "support/avx512_emulation.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/attention/body.h"
#include "kernels/linear/amx_bf16.h"
#include "kernels/linear/amx_integer.h"
#include "kernels/linear/avx512_run.h"
#include "kernels/rows/body.h"
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
constexpr Variant kVariants[] = {{"avx512", avx512::run_linear, false, false},
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

TEST(EmulatedAttention, GivesTheGenericVariantsBits) {
  constexpr int64_t rows = 40, heads = 3, head_dim = 20;
  ThreadPool pool(1);
  const Context context{.pool = pool};
  const std::vector<float> q = random_values(rows * heads * head_dim, 1);
  const std::vector<float> k = random_values(rows * head_dim, 2);
  const std::vector<float> v = random_values(rows * head_dim, 3);
  for (const DType dtype : kKvDTypes) {
    for (const int64_t window : {0, 9}) {
      const int64_t stride = KvCache::page_bytes(dtype, 1, head_dim);
      Result<AlignedBuffer> memory = AlignedBuffer::allocate(static_cast<size_t>(2 * stride));
      const KvCache cache{.data = memory->data(),
                          .page_stride_bytes = stride,
                          .dtype = dtype,
                          .n_kv_heads = 1,
                          .head_dim = head_dim};
      const std::vector<int32_t> pages{1, 0};
      const KvSequence sequence{.n_rows = rows, .pages = pages};
      kv_write(context, {.sequences = {&sequence, 1},
                         .k = k.data(),
                         .k_stride = head_dim,
                         .v = v.data(),
                         .v_stride = head_dim,
                         .cache = cache});
      Result<AlignedBuffer> scratch =
          AlignedBuffer::allocate(static_cast<size_t>(attention_part_scratch(head_dim)));
      const auto run = [&](auto variant) {
        std::vector<float> y(q.size());
        const AttentionArgs args{.sequences = {&sequence, 1},
                                 .n_heads = heads,
                                 .q = q.data(),
                                 .q_stride = heads * head_dim,
                                 .scale = 0.2f,
                                 .window = window,
                                 .cache = cache,
                                 .y = y.data(),
                                 .y_stride = heads * head_dim};
        for (int64_t row = 0; row < rows; row += 8) {
          variant(args,
                  AttentionPart{.sequence = &sequence,
                                .row = row,
                                .n_rows = 8,
                                .n_heads = heads,
                                .end_stretch = 1},
                  scratch->data());
        }
        return y;
      };
      expect_same_bits(run(PagedAttention<avx512::F32, 2>::run), run(kAttentionGeneric.run),
                       "window " + std::to_string(window));
    }
  }
}

}  // namespace
}  // namespace autoglm
