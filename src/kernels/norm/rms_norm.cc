#include "kernels/norm/rms_norm.h"

#include "base/check.h"
#include "base/thread_pool.h"
#include "kernels/rows/row_kernels.h"

namespace autoglm {
namespace {

constexpr int64_t kSerialElements = 16384;  // below it, waking the other threads costs more

}  // namespace

void rms_norm(const Context& context, const RmsNormArgs& args) {
  const QuantizedRows* q = args.quantized;
  AGLM_CHECK(args.y != nullptr, "y is needed, also as the place from which rows are quantized");
  AGLM_CHECK(q == nullptr || (args.groups == 1 && q->rows >= args.rows && q->k == args.n),
             "quantized rows must be whole rows of the result");
  const RowKernels& kernels = row_kernels(context.isa);
  const auto work = [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t g = 0; g < args.groups; ++g) {
        const int64_t at = g * args.n;
        const auto part = [&](auto* p, int64_t stride) {
          return p == nullptr ? nullptr : p + row * stride + at;
        };
        kernels.norm({.n = args.n,
                      .x = part(args.x, args.x_stride),
                      .weight = args.weight,
                      .eps = args.eps,
                      .residual = part(args.residual, args.residual_stride),
                      .y = part(args.y, args.y_stride)});
      }
      if (q != nullptr) {
        float* y = args.y + row * args.y_stride;
        quantize_row(kernels, y, y, *q, row);
      }
    }
  };
  if (args.rows * args.groups * args.n <= kSerialElements) return work(0, args.rows);
  context.pool.parallel_for(args.rows, 1, work);
}

}  // namespace autoglm
