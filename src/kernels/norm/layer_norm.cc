#include "kernels/norm/layer_norm.h"

#include "base/thread_pool.h"
#include "kernels/rows/row_kernels.h"

namespace autoglm {

void layer_norm(const Context& context, const LayerNormArgs& args) {
  const RowKernels& kernels = row_kernels(context.isa);
  const auto work = [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      kernels.layer_norm({.n = args.n,
                          .x = args.x + row * args.x_stride,
                          .weight = args.weight,
                          .bias = args.bias,
                          .eps = args.eps,
                          .y = args.y + row * args.y_stride});
    }
  };
  constexpr int64_t kSerialElements = 16384;  // below it, waking the other threads costs more
  if (args.rows * args.n <= kSerialElements) return work(0, args.rows);
  context.pool.parallel_for(args.rows, 1, work);
}

}  // namespace autoglm
