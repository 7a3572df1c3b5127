#include "kernels/embedding/embedding.h"

#include <cstring>

#include "base/check.h"
#include "base/thread_pool.h"
#include "kernels/simd/half.h"

namespace autoglm {
namespace {

template <class T>
T load_as(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

void stored_row(const EmbeddingArgs& args, int64_t id, float* y) {
  const int64_t size = args.dtype == DType::kF32 ? 4 : 2;
  const std::byte* row = args.stored + id * args.n * size;
  for (int64_t i = 0; i < args.n; ++i) {
    switch (args.dtype) {
      case DType::kF32: y[i] = load_as<float>(row + i * 4); break;
      case DType::kF16: y[i] = f16_to_f32(load_as<uint16_t>(row + i * 2)); break;
      default: y[i] = bf16_to_f32(load_as<uint16_t>(row + i * 2)); break;
    }
  }
}

}  // namespace

void embedding(const Context& context, const EmbeddingArgs& args) {
  AGLM_CHECK((args.packed != nullptr) != (args.stored != nullptr), "one table is needed");
  AGLM_CHECK(args.packed == nullptr || args.packed->k() == args.n, "rows of {} and of {}",
             args.packed->k(), args.n);
  AGLM_CHECK(args.stored == nullptr || args.dtype == DType::kF32 || args.dtype == DType::kF16 ||
                 args.dtype == DType::kBF16,
             "{} rows", dtype_info(args.dtype).name);
  context.pool.parallel_for(
      static_cast<int64_t>(args.ids.size()), 8, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          float* y = args.y + i * args.y_stride;
          const int64_t id = args.ids[static_cast<size_t>(i)];
          if (args.packed != nullptr) {
            args.packed->decode_row(id, std::span(y, static_cast<size_t>(args.n)));
          } else {
            stored_row(args, id, y);
          }
        }
      });
}

}  // namespace autoglm
