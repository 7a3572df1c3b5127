#include "formats/shape.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>

namespace autoglm {
namespace {

constexpr int64_t kMaxBytes = int64_t{1} << 62;

}  // namespace

Result<size_t> stored_bytes(DType dtype, std::span<const int64_t> shape, std::string_view where) {
  const DTypeInfo info = dtype_info(dtype);
  const auto too_large = [&] {
    return Error{ErrorCode::kCorrupt, "tensor is too large to exist", std::string(where),
                 "fewer than 2^62 bytes",
                 fmt::format("{} [{}]", info.name, fmt::join(shape, ", "))};
  };
  int64_t elements = 1;
  for (const int64_t dimension : shape) {
    if (__builtin_mul_overflow(elements, dimension, &elements)) return too_large();
  }
  if (elements > kMaxBytes / info.block_bytes) return too_large();
  if (info.block_elements > 1 && elements > 0) {
    if (shape.size() < 2 || shape.back() % info.block_elements != 0) {
      return Error{ErrorCode::kCorrupt, "rows do not consist of whole blocks", std::string(where),
                   fmt::format("two dimensions or more, the last a multiple of {} for {}",
                               info.block_elements, info.name),
                   fmt::format("[{}]", fmt::join(shape, ", "))};
    }
    const int64_t columns = elements / shape[0];
    return static_cast<size_t>(shape[0] * (columns / info.block_elements) * info.block_bytes);
  }
  return static_cast<size_t>(elements / info.block_elements * info.block_bytes);
}

}  // namespace autoglm
