#include "formats/expert_tensors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace autoglm {
namespace {

constexpr std::string_view kGateUp = ".experts.gate_up_proj";
constexpr std::string_view kDown = ".experts.down_proj";

bool is_fused(const StoredTensor& tensor) {
  return tensor.name.ends_with(kGateUp) || tensor.name.ends_with(kDown);
}

Result<void> check(const StoredTensor& tensor) {
  const bool gate_up = tensor.name.ends_with(kGateUp);
  if (tensor.shape.size() != 3 || std::ranges::min(tensor.shape) < 1 ||
      (gate_up && tensor.shape[1] % 2 != 0)) {
    return Error{ErrorCode::kCorrupt, "tensor of fused experts has the wrong shape", tensor.where,
                 gate_up ? "[experts, 2 * inner, columns]" : "[experts, columns, inner]",
                 fmt::format("[{}]", fmt::join(tensor.shape, ", "))};
  }
  if (tensor.dtype != DType::kF32 && tensor.dtype != DType::kF16 && tensor.dtype != DType::kBF16) {
    return Error{ErrorCode::kUnsupported,
                 "fused experts are stored in a type that is not supported", tensor.where,
                 "F32, F16 or BF16", std::string(dtype_info(tensor.dtype).name)};
  }
  return {};
}

}  // namespace

Result<void> check_tensor_count(size_t n, const StoredTensor& last) {
  if (n <= kMostTensors) return {};
  return Error{ErrorCode::kResourceExhausted, "experts are too many matrices", last.where,
               fmt::format("at most {}", kMostTensors), "more"};
}

StoredTensor expert_rows(const StoredTensor& all, std::string name, int64_t expert, int64_t first,
                         int64_t n) {
  AGLM_CHECK(all.shape.size() == 3 && expert >= 0 && expert < all.shape[0] && first >= 0 &&
                 first + n <= all.shape[1],
             "rows [{}, {}) of expert {} of {}", first, first + n, expert, all.where);
  StoredTensor part = all;
  part.name = std::move(name);
  part.where = fmt::format("{}[{}]", all.where, expert);
  part.shape = {n, all.shape[2]};
  const size_t row_bytes = all.bytes.size() / static_cast<size_t>(all.shape[0] * all.shape[1]);
  part.bytes = all.bytes.subspan(static_cast<size_t>(expert * all.shape[1] + first) * row_bytes,
                                 static_cast<size_t>(n) * row_bytes);
  return part;
}

Result<std::vector<StoredTensor>> split_fused_experts(std::vector<StoredTensor> tensors) {
  if (std::ranges::none_of(tensors, is_fused)) return tensors;
  std::vector<StoredTensor> result;
  for (StoredTensor& tensor : tensors) {
    if (!is_fused(tensor)) {
      result.push_back(std::move(tensor));
      continue;
    }
    AGLM_TRY(check(tensor));
    AGLM_TRY(check_tensor_count(result.size() + 2 * static_cast<size_t>(tensor.shape[0]), tensor));
    const std::string prefix = tensor.name.substr(0, tensor.name.rfind('.'));
    const auto add = [&](int64_t expert, std::string_view name, int64_t first, int64_t n) {
      result.push_back(expert_rows(tensor, fmt::format("{}.{}.{}.weight", prefix, expert, name),
                                   expert, first, n));
    };
    const int64_t rows = tensor.shape[1];
    for (int64_t expert = 0; expert < tensor.shape[0]; ++expert) {
      if (tensor.name.ends_with(kGateUp)) {
        add(expert, "gate_proj", 0, rows / 2);
        add(expert, "up_proj", rows / 2, rows / 2);
      } else {
        add(expert, "down_proj", 0, rows);
      }
    }
  }
  std::set<std::string_view> names;
  for (const StoredTensor& tensor : result) {
    if (names.insert(tensor.name).second) continue;
    return Error{ErrorCode::kCorrupt, "two tensors stand for the same weights", tensor.where, "one",
                 tensor.name};
  }
  return result;
}

}  // namespace autoglm
