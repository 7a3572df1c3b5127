#include "kernels/rope/rope.h"

#include <cmath>

#include "base/check.h"
#include "base/thread_pool.h"
#include "kernels/rows/row_kernels.h"

namespace autoglm {
namespace {

constexpr int64_t kSerialElements = 16384;  // below it, waking the other threads costs more

}  // namespace

void rope_table(const Context& context, const RopeTableArgs& args) {
  const auto n = static_cast<int64_t>(args.inv_freq.size());
  const auto rows = static_cast<int64_t>(args.positions.size());
  const auto work = [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t i = 0; i < n; ++i) {
        const size_t component = args.components.empty() ? 0 : args.components[i];
        const double angle = args.positions[row][component] * args.inv_freq[i];
        args.cos[row * n + i] = static_cast<float>(args.mscale * std::cos(angle));
        args.sin[row * n + i] = static_cast<float>(args.mscale * std::sin(angle));
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
