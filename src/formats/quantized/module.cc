#include "formats/quantized/module.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>

#include "quant/half.h"

namespace autoglm {
namespace {

template <class T>
T load_at(const StoredTensor& tensor, int64_t i) {
  T value;
  std::memcpy(&value, tensor.bytes.data() + i * int64_t{sizeof value}, sizeof value);
  return value;
}

std::string names_of(std::initializer_list<DType> dtypes) {
  std::vector<std::string_view> names;
  for (const DType dtype : dtypes) names.push_back(dtype_info(dtype).name);
  return fmt::format("{}", fmt::join(names, " or "));
}

}  // namespace

Result<const StoredTensor*> ModuleTensors::find(std::string_view suffix,
                                                std::initializer_list<DType> dtypes) {
  const auto found = index_->find(fmt::format("{}.{}", prefix_, suffix));
  if (found == index_->end()) return nullptr;
  const StoredTensor* tensor = found->second;
  if (std::ranges::find(dtypes, tensor->dtype) == dtypes.end()) {
    return Error{ErrorCode::kCorrupt, "tensor of a quantized matrix has the wrong type",
                 tensor->where, names_of(dtypes), std::string(dtype_info(tensor->dtype).name)};
  }
  taken_.push_back(tensor);
  return tensor;
}

Result<const StoredTensor*> ModuleTensors::need(std::string_view suffix,
                                                std::initializer_list<DType> dtypes) {
  const StoredTensor* tensor = AGLM_TRY(find(suffix, dtypes));
  if (tensor != nullptr) return tensor;
  std::string where = fmt::format("{}.{}", prefix_, suffix);
  if (!taken_.empty()) where = fmt::format("{}: beside {}", taken_.front()->where, where);
  return Error{ErrorCode::kNotFound, "tensor of a quantized matrix is missing", std::move(where),
               names_of(dtypes), "no such tensor"};
}

Error shape_error(const StoredTensor& tensor, std::string_view expected) {
  return Error{ErrorCode::kCorrupt, "tensor of a quantized matrix has the wrong shape",
               tensor.where, std::string(expected),
               fmt::format("[{}]", fmt::join(tensor.shape, ", "))};
}

Result<void> expect_shape(const StoredTensor& tensor, const std::vector<int64_t>& shape) {
  if (tensor.shape == shape) return {};
  return shape_error(tensor, fmt::format("[{}]", fmt::join(shape, ", ")));
}

uint32_t word_at(const StoredTensor& tensor, int64_t i) { return load_at<uint32_t>(tensor, i); }

float scale_at(const StoredTensor& tensor, int64_t i) {
  switch (tensor.dtype) {
    case DType::kF16: return f16_to_f32(load_at<uint16_t>(tensor, i));
    case DType::kBF16: return bf16_to_f32(load_at<uint16_t>(tensor, i));
    default: return load_at<float>(tensor, i);
  }
}

bool exact_in_f16(const StoredTensor& scales) {
  if (scales.dtype == DType::kF16) return true;
  const auto n = static_cast<int64_t>(scales.bytes.size()) / dtype_info(scales.dtype).block_bytes;
  for (int64_t i = 0; i < n; ++i) {
    const float scale = scale_at(scales, i);
    if (f16_to_f32(f32_to_f16(scale)) != scale) return false;
  }
  return true;
}

float rounded_to(DType dtype, float value) {
  switch (dtype) {
    case DType::kF16: return f16_to_f32(f32_to_f16(value));
    case DType::kBF16: return bf16_to_f32(f32_to_bf16(value));
    default: return value;
  }
}

}  // namespace autoglm
