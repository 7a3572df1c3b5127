#include "kernels/rope/rope.h"

#include <cmath>

#include "base/check.h"
#include "base/thread_pool.h"
#include "kernels/rows/row_kernels.h"

namespace autoglm {
namespace {

constexpr int64_t kSerialElements = 16384;  // below it, waking the other threads costs more

}  // namespace

void rope_table(const Context& context, std::span<const int64_t> positions,
                std::span<const double> inv_freq, double mscale, float* cos, float* sin) {
  const auto n = static_cast<int64_t>(inv_freq.size());
  const auto rows = static_cast<int64_t>(positions.size());
  const auto work = [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t i = 0; i < n; ++i) {
        const double angle = static_cast<double>(positions[row]) * inv_freq[i];
        cos[row * n + i] = static_cast<float>(mscale * std::cos(angle));
        sin[row * n + i] = static_cast<float>(mscale * std::sin(angle));
      }
    }
  };
  // A sine and a cosine take about 30 times as long as an element of other operations.
  if (rows * n * 30 <= kSerialElements) return work(0, rows);
  context.pool.parallel_for(rows, 1, work);
}

void rope(const Context& context, const RopeArgs& args) {
  AGLM_CHECK(args.rotary_dim % 2 == 0 && args.rotary_dim <= args.head_dim, "{} of {} elements",
             args.rotary_dim, args.head_dim);
  const RowKernels& kernels = row_kernels(context.isa);
  const auto rotate =
      args.pairs == RopePairs::kHalfSplit ? kernels.rotate_half_split : kernels.rotate_interleaved;
  const int64_t half = args.rotary_dim / 2;
  const auto work = [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t head = 0; head < args.n_heads; ++head) {
        rotate({.half = half,
                .cos = args.table.cos + row * half,
                .sin = args.table.sin + row * half,
                .x = args.x + row * args.x_stride + head * args.head_dim});
      }
    }
  };
  if (args.rows * args.n_heads * args.rotary_dim <= kSerialElements) return work(0, args.rows);
  context.pool.parallel_for(args.rows, 1, work);
}

}  // namespace autoglm
