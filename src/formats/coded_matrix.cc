#include "formats/coded_matrix.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "base/check.h"
#include "formats/checkpoint.h"
#include "tensor/rotation.h"

namespace autoglm {
namespace {

bool is_coded_bits(int64_t bits) { return bits == 8 || (bits >= 2 && bits <= 5); }

DType dtype_of(int bits) {
  switch (bits) {
    case 2: return DType::kCodes2;
    case 3: return DType::kCodes3;
    case 4: return DType::kCodes4;
    case 5: return DType::kCodes5;
    default: return DType::kCodes8;
  }
}

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
  int64_t group_size(int bits, int64_t columns) const {
    const auto found = tensors_.find(name_ + std::string(coded_suffix::kGroupScales));
    if (found == tensors_.end() || found->second.shape.size() != 2) return 32;
    for (const Progressive& form : kProgressives) {
      if (form.bits == bits &&
          found->second.shape[1] == CodedMatrix::groups_of(columns, form.group_size)) {
        return form.group_size;
      }
    }
    return 32;
  }

 private:
  const std::map<std::string, StoredTensor, std::less<>>& tensors_;
  std::string name_;
  std::string where_;
};

// Bits and columns as the codes' form and the configuration tell.
Result<CodedMatrix> coded_matrix(const StoredTensor& codes, int bits_in_bytes) {
  const std::string form =
      fmt::format("{} [{}]", dtype_info(codes.dtype).name, fmt::join(codes.shape, ", "));
  const bool whole = codes.dtype == DType::kI8;
  if (codes.shape.size() != 2 || codes.bytes.empty() || (!whole && codes.dtype != DType::kU8)) {
    return Error{ErrorCode::kCorrupt, "codes have a form that is not known", codes.where,
                 "I8 [rows, columns], or U8 [rows, bytes] of fewer bits", form};
  }
  if (whole) return CodedMatrix{.bits = 8, .columns = codes.shape[1], .codes = codes.bytes};
  const int bits = bits_in_bytes;
  const int64_t bytes = codes.shape[1];
  const int64_t columns = bytes * 8 / bits / CodedMatrix::step(bits) * CodedMatrix::step(bits);
  if (bits == 8 || columns == 0 || CodedMatrix::row_bytes(bits, columns) != bytes) {
    return Error{ErrorCode::kCorrupt, "codes contradict their number of bits", codes.where,
                 bits == 8 ? "I8 for 8 bits"
                           : fmt::format("U8 [rows, {} bits for each of columns by {}]", bits,
                                         CodedMatrix::step(bits)),
                 form};
  }
  return CodedMatrix{.bits = bits, .columns = columns, .codes = codes.bytes};
}

}  // namespace

float CodedMatrix::channel_scale(int64_t row) const {
  float value = 0;
  std::memcpy(&value, channel_scales.data() + row * int64_t{sizeof value}, sizeof value);
  return value;
}

int8_t CodedMatrix::whole(int64_t row, int64_t column) const {
  return static_cast<int8_t>(byte_at(codes, row * columns + column));
}

uint8_t CodedMatrix::code(int64_t row, int64_t column) const {
  const int64_t first = column * bits;
  const int64_t at = row * row_bytes() + first / 8;
  const auto shift = static_cast<int>(first % 8);
  int pair = byte_at(codes, at);
  // Only 3 and 5 bits lie in two bytes, and never in the next row's.
  if (shift + bits > 8) pair |= byte_at(codes, at + 1) << 8;
  return static_cast<uint8_t>((pair >> shift) & ((1 << bits) - 1));
}

uint8_t CodedMatrix::scale(int64_t row, int64_t group) const {
  return byte_at(group_scales, row * groups() + group);
}

int8_t CodedMatrix::offset(int64_t row, int64_t group) const {
  return static_cast<int8_t>(byte_at(group_offsets, row * groups() + group));
}

void CodedMatrix::decode_turned_row(int64_t row, std::span<float> out) const {
  const float d = channel_scale(row);
  for (int64_t i = 0; i < columns; ++i) {
    const int bracket =
        bits == 8 ? whole(row, i)
                  : scale(row, i / group_size) * code(row, i) + offset(row, i / group_size);
    out[static_cast<size_t>(i)] = static_cast<float>(bracket) * d;
  }
}

void CodedMatrix::decode_row(int64_t row, std::span<float> out) const {
  decode_turned_row(row, out);
  rotate_back(Rotation::of(columns), out.first(static_cast<size_t>(columns)));
}

int CodedConfig::bits_of_matrix(std::string_view name) const {
  const auto found = bits_of.find(name);
  return found == bits_of.end() ? bits : found->second;
}

Result<std::optional<CodedConfig>> read_coded_config(const json::object& config,
                                                     std::string_view where) {
  const json::Fields fields(config, std::string(where));
  if (fields.find("quantization_config") == nullptr) return std::optional<CodedConfig>();
  const json::Fields said = AGLM_TRY(fields.child("quantization_config"));
  if (AGLM_TRY(said.string_or("quant_method", "")) != kCodedQuantMethod)
    return std::optional<CodedConfig>();
  const int64_t version = AGLM_TRY(said.integer("version"));
  if (version != kCodedVersion) {
    return said.wrong("version", fmt::format("{}; quantize the original again", kCodedVersion));
  }
  const int64_t group_size = AGLM_TRY(said.integer("group_size"));
  if (group_size != 32 && group_size != 64 && group_size != 128) {
    return said.wrong("group_size", "32, 64 or 128");
  }
  CodedConfig out;
  const auto bits = [](const json::Fields& of, std::string_view key) -> Result<int> {
    const int64_t value = AGLM_TRY(of.integer(key));
    if (!is_coded_bits(value)) return of.wrong(key, "2, 3, 4, 5 or 8");
    return static_cast<int>(value);
  };
  out.bits = AGLM_TRY(bits(said, "bits"));
  const json::Fields others = AGLM_TRY(said.child("bits_of"));
  for (const auto& other : others.raw()) {
    out.bits_of.emplace(other.key(), AGLM_TRY(bits(others, other.key())));
  }
  return std::optional(std::move(out));
}

Result<std::vector<StoredTensor>> join_coded(std::vector<StoredTensor> tensors,
                                             const CodedConfig& config) {
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
    const std::string name = stored.substr(0, stored.size() - kCodes.size());
    CodedMatrix coded = AGLM_TRY(coded_matrix(tensor, config.bits_of_matrix(name)));
    if (by_name.contains(name)) {
      return Error{ErrorCode::kCorrupt, "matrix is there twice", tensor.where,
                   "codes, or the matrix itself", "both"};
    }
    const Parts parts(by_name, name, tensor.where);
    const int64_t rows = tensor.shape[0];
    coded.channel_scales = AGLM_TRY(parts.find(kChannelScales, DType::kF32, {rows}));
    if (coded.bits < 8) {
      coded.group_size = parts.group_size(coded.bits, coded.columns);
      const std::vector<int64_t> shape{rows, coded.groups()};
      coded.group_scales = AGLM_TRY(parts.find(kGroupScales, DType::kU8, shape));
      coded.group_offsets = AGLM_TRY(parts.find(kGroupOffsets, DType::kI8, shape));
    }
    StoredTensor matrix = tensor;
    matrix.name = name;
    matrix.dtype = dtype_of(coded.bits);
    matrix.shape = {rows, coded.columns};
    matrix.coded = coded;
    joined.push_back(std::move(matrix));
  }
  return joined;
}

}  // namespace autoglm
