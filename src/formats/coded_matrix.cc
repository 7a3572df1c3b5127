#include "formats/coded_matrix.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "base/check.h"
#include "formats/checkpoint.h"

namespace autoglm {
namespace {

constexpr int64_t kGroupSizes[] = {32, 64, 128};

uint8_t byte_at(std::span<const std::byte> bytes, int64_t i) {
  return static_cast<uint8_t>(bytes[static_cast<size_t>(i)]);
}

// One matrix's parts by suffix, found among the tensors of a file.
class Parts {
 public:
  Parts(const std::map<std::string, StoredTensor, std::less<>>& tensors, std::string name,
        std::string where)
      : tensors_(tensors), name_(std::move(name)), where_(std::move(where)) {}

  Result<std::span<const std::byte>> find(std::string_view suffix, DType dtype,
                                          std::vector<int64_t> shape) const {
    const auto found = tensors_.find(name_ + std::string(suffix));
    if (found == tensors_.end()) {
      return Error{ErrorCode::kCorrupt, "part of a quantized matrix is missing", where_,
                   name_ + std::string(suffix), "no such tensor"};
    }
    const StoredTensor& part = found->second;
    if (part.dtype != dtype || part.shape != shape) {
      return Error{
          ErrorCode::kCorrupt, "part of a quantized matrix contradicts its codes", part.where,
          fmt::format("{} [{}]", dtype_info(dtype).name, fmt::join(shape, ", ")),
          fmt::format("{} [{}]", dtype_info(part.dtype).name, fmt::join(part.shape, ", "))};
    }
    return part.bytes;
  }

  // As the number of scales in a row tells: one number stands for one size of groups, or for
  // several that mean the same. 32 where it fits none.
  int64_t group_size(int64_t columns) const {
    const auto found = tensors_.find(name_ + std::string(coded_suffix::kGroupScales));
    if (found == tensors_.end() || found->second.shape.size() != 2) return 32;
    for (const int64_t size : kGroupSizes) {
      if (found->second.shape[1] == CodedMatrix::groups_of(columns, size)) return size;
    }
    return 32;
  }

 private:
  const std::map<std::string, StoredTensor, std::less<>>& tensors_;
  std::string name_;
  std::string where_;
};

}  // namespace

float CodedMatrix::channel_scale(int64_t row) const {
  float value = 0;
  std::memcpy(&value, channel_scales.data() + row * int64_t{sizeof value}, sizeof value);
  return value;
}

int8_t CodedMatrix::code8(int64_t row, int64_t column) const {
  return static_cast<int8_t>(byte_at(codes, row * columns + column));
}

uint8_t CodedMatrix::code4(int64_t row, int64_t column) const {
  const uint8_t both = byte_at(codes, row * (columns / 2) + column / 2);
  return static_cast<uint8_t>(column % 2 == 0 ? both & 15 : both >> 4);
}

uint8_t CodedMatrix::scale(int64_t row, int64_t group) const {
  return byte_at(group_scales, row * groups() + group);
}

int8_t CodedMatrix::offset(int64_t row, int64_t group) const {
  return static_cast<int8_t>(byte_at(group_offsets, row * groups() + group));
}

void CodedMatrix::decode_row(int64_t row, std::span<float> out) const {
  const float d = channel_scale(row);
  for (int64_t i = 0; i < columns; ++i) {
    const int bracket =
        bits == 8 ? code8(row, i)
                  : scale(row, i / group_size) * code4(row, i) + offset(row, i / group_size);
    out[static_cast<size_t>(i)] = static_cast<float>(bracket) * d;
  }
}

Result<bool> is_coded_checkpoint(const json::object& config, std::string_view where) {
  const json::Fields fields(config, std::string(where));
  if (fields.find("quantization_config") == nullptr) return false;
  const json::Fields said = AGLM_TRY(fields.child("quantization_config"));
  if (AGLM_TRY(said.string_or("quant_method", "")) != kCodedQuantMethod) return false;
  const int64_t version = AGLM_TRY(said.integer("version"));
  if (version < 1 || version > kCodedVersion) return said.wrong("version", "1 or 2");
  const int64_t group_size = AGLM_TRY(said.integer("group_size"));
  if (group_size != 32 && (version == 1 || std::ranges::count(kGroupSizes, group_size) == 0)) {
    return said.wrong("group_size", version == 1 ? "32 in version 1" : "32, 64 or 128");
  }
  return true;
}

Result<std::vector<StoredTensor>> join_coded(std::vector<StoredTensor> tensors) {
  using namespace coded_suffix;
  std::map<std::string, StoredTensor, std::less<>> by_name;
  std::vector<std::string> order;
  for (StoredTensor& tensor : tensors) {
    order.push_back(tensor.name);
    by_name.emplace(order.back(), std::move(tensor));
  }
  std::vector<StoredTensor> joined;
  const auto is_part = [&](const std::string& name) {
    return std::ranges::any_of(
        std::initializer_list<std::string_view>{kGroupScales, kGroupOffsets, kChannelScales},
        [&](std::string_view suffix) {
          if (!name.ends_with(suffix)) return false;
          const std::string matrix = name.substr(0, name.size() - suffix.size());
          return by_name.contains(matrix + std::string(kCodes));
        });
  };
  for (const std::string& stored : order) {
    const StoredTensor& tensor = by_name.find(stored)->second;
    if (is_part(stored)) continue;
    if (!stored.ends_with(kCodes)) {
      joined.push_back(tensor);
      continue;
    }
    const bool whole_bytes = tensor.dtype == DType::kI8;
    if (tensor.shape.size() != 2 || tensor.bytes.empty() ||
        (!whole_bytes && tensor.dtype != DType::kU8)) {
      return Error{
          ErrorCode::kCorrupt, "codes have a form that is not known", tensor.where,
          "I8 [rows, columns] or U8 [rows, columns / 2]",
          fmt::format("{} [{}]", dtype_info(tensor.dtype).name, fmt::join(tensor.shape, ", "))};
    }
    const std::string name = stored.substr(0, stored.size() - kCodes.size());
    if (by_name.contains(name)) {
      return Error{ErrorCode::kCorrupt, "matrix is there twice", tensor.where,
                   "codes, or the matrix itself", "both"};
    }
    const Parts parts(by_name, name, tensor.where);
    const int64_t rows = tensor.shape[0];
    CodedMatrix coded{.bits = whole_bytes ? 8 : 4,
                      .columns = whole_bytes ? tensor.shape[1] : 2 * tensor.shape[1],
                      .codes = tensor.bytes};
    coded.channel_scales = AGLM_TRY(parts.find(kChannelScales, DType::kF32, {rows}));
    if (!whole_bytes) {
      coded.group_size = parts.group_size(coded.columns);
      const std::vector<int64_t> shape{rows, coded.groups()};
      coded.group_scales = AGLM_TRY(parts.find(kGroupScales, DType::kU8, shape));
      coded.group_offsets = AGLM_TRY(parts.find(kGroupOffsets, DType::kI8, shape));
    }
    StoredTensor matrix = tensor;
    matrix.name = name;
    matrix.dtype = whole_bytes ? DType::kCodes8 : DType::kCodes4;
    matrix.shape = {rows, coded.columns};
    matrix.coded = coded;
    joined.push_back(std::move(matrix));
  }
  return joined;
}

}  // namespace autoglm
