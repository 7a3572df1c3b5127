// Attention on AVX-512 over emulated instructions, against the generic variant, bit for bit
// (linear/emulated_testing.h says what that shows).
#include "support/avx512_emulation.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "kernels/attention/body.h"
#include "kernels/simd/avx512.h"
#include "kernels/testing/values.h"
#include "kernels/testing/variants.h"

namespace autoglm {
namespace {

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
