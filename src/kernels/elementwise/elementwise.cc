#include "kernels/elementwise/elementwise.h"

#include "base/thread_pool.h"
#include "kernels/rows/row_kernels.h"

namespace autoglm {
namespace {

constexpr int64_t kSerialElements = 16384;  // below it, waking the other threads costs more

template <class Row>
void for_rows(const Context& context, int64_t rows, int64_t n, const Row& row) {
  const auto work = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) row(i);
  };
  if (rows * n <= kSerialElements) return work(0, rows);
  context.pool.parallel_for(rows, 1, work);
}

}  // namespace

void add(const Context& context, const BinaryArgs& args) {
  const RowKernels& kernels = row_kernels(context.isa);
  for_rows(context, args.rows, args.n, [&](int64_t i) {
    kernels.add(args.a + i * args.a_stride, args.b + i * args.b_stride, args.y + i * args.y_stride,
                args.n);
  });
}

void swiglu(const Context& context, const BinaryArgs& args) {
  const RowKernels& kernels = row_kernels(context.isa);
  for_rows(context, args.rows, args.n, [&](int64_t i) {
    kernels.swiglu(args.a + i * args.a_stride, args.b + i * args.b_stride,
                   args.y + i * args.y_stride, args.n);
  });
}

void gelu(const Context& context, const UnaryArgs& args) {
  const RowKernels& kernels = row_kernels(context.isa);
  for_rows(context, args.rows, args.n, [&](int64_t i) {
    kernels.gelu(args.x + i * args.x_stride, args.y + i * args.y_stride, args.n);
  });
}

void tanh(const Context& context, const UnaryArgs& args) {
  const RowKernels& kernels = row_kernels(context.isa);
  for_rows(context, args.rows, args.n, [&](int64_t i) {
    kernels.tanh(args.x + i * args.x_stride, args.y + i * args.y_stride, args.n);
  });
}

void scale(const Context& context, const ScaleArgs& args) {
  const RowKernels& kernels = row_kernels(context.isa);
  for_rows(context, args.rows, args.n, [&](int64_t i) {
    kernels.scale(args.x + i * args.x_stride, args.factor, args.y + i * args.y_stride, args.n);
  });
}

}  // namespace autoglm
