#include "kernels/pooling/pooling.h"

#include <algorithm>
#include <cmath>

#include "base/thread_pool.h"

namespace autoglm {
namespace {

// Plain loops over columns: each row is read once, from the cache that its norm left it in.
void pool_text(const PoolingArgs& args, const TextRows& text, float* y) {
  const float* first = args.x + text.first_row * args.x_stride;
  const auto n_rows = static_cast<float>(text.n_rows);
  std::copy_n(first, args.n, y);
  for (int64_t i = 1; i < text.n_rows; ++i) {
    const float* x = first + i * args.x_stride;
    switch (args.kind) {
      case PoolingSum::kMean:
      case PoolingSum::kMeanSqrt:
        for (int64_t c = 0; c < args.n; ++c) y[c] += x[c];
        break;
      case PoolingSum::kWeightedMean:
        for (int64_t c = 0; c < args.n; ++c) y[c] += static_cast<float>(i + 1) * x[c];
        break;
      case PoolingSum::kMax:
        for (int64_t c = 0; c < args.n; ++c) y[c] = std::max(y[c], x[c]);
        break;
    }
  }
  float divisor = 1;
  switch (args.kind) {
    case PoolingSum::kMean: divisor = n_rows; break;
    case PoolingSum::kMeanSqrt: divisor = std::sqrt(n_rows); break;
    case PoolingSum::kWeightedMean: divisor = n_rows * (n_rows + 1) / 2; break;
    case PoolingSum::kMax: return;
  }
  for (int64_t c = 0; c < args.n; ++c) y[c] /= divisor;
}

}  // namespace

void pool_texts(const Context& context, const PoolingArgs& args) {
  context.pool.parallel_for(std::ssize(args.texts), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      pool_text(args, args.texts[static_cast<size_t>(i)], args.y + i * args.y_stride);
    }
  });
}

}  // namespace autoglm
