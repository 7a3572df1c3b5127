// A matrix as `autoglm quantize` stores it: integer codes, with what turns them into weights in
// tensors of their own beside them (docs/formats/progressive.md). The bytes are as in the file and
// not trusted; whoever packs them for kernels checks the codes.
//
//   8 bits: w[i] = channel_scale * code[i]
//   4 bits: w[i] = channel_scale * (scale[g] * code[i] + offset[g]), g = i / group_size
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "base/json.h"

namespace autoglm {

struct StoredTensor;

struct CodedMatrix {
  int bits = 0;             // 8 or 4
  int64_t group_size = 32;  // 4 bits: columns that share a scale and an offset; 32, 64 or 128
  int64_t columns = 0;
  std::span<const std::byte> codes;          // int8 [rows, columns], or nibbles [rows, columns / 2]
  std::span<const std::byte> group_scales;   // 4 bits: uint8 [rows, groups]
  std::span<const std::byte> group_offsets;  // 4 bits: int8 [rows, groups]
  std::span<const std::byte> channel_scales;  // float [rows], not aligned

  int64_t groups() const { return groups_of(columns, group_size); }
  static int64_t groups_of(int64_t columns, int64_t group_size) {
    return (columns + group_size - 1) / group_size;
  }
  float channel_scale(int64_t row) const;
  int8_t code8(int64_t row, int64_t column) const;
  uint8_t code4(int64_t row, int64_t column) const;  // even columns are low halves of bytes
  uint8_t scale(int64_t row, int64_t group) const;
  int8_t offset(int64_t row, int64_t group) const;
  void decode_row(int64_t row, std::span<float> out) const;
};

// What the parts of a matrix called `name` are called: "model.layers.0.mlp.down_proj.weight_codes".
namespace coded_suffix {
inline constexpr std::string_view kCodes = "_codes";
inline constexpr std::string_view kGroupScales = "_group_scales";
inline constexpr std::string_view kGroupOffsets = "_group_offsets";
inline constexpr std::string_view kChannelScales = "_channel_scales";
}  // namespace coded_suffix

// The word of config.json's quantization_config.quant_method.
inline constexpr std::string_view kCodedQuantMethod = "progressive";

// Version 2 has matrices with groups of 64 or 128 columns.
inline constexpr int64_t kCodedVersion = 2;

// Whether a configuration says that its checkpoint was written by `autoglm quantize`. Errors: it
// does, but in a version or with a group size that we do not know.
Result<bool> is_coded_checkpoint(const json::object& config, std::string_view where);

// Joins the tensors of each coded matrix into one of dtype kCodes8 or kCodes4 with the matrix's
// name. Errors: a part that is missing, has another dtype or a shape that contradicts the codes.
Result<std::vector<StoredTensor>> join_coded(std::vector<StoredTensor> tensors);

}  // namespace autoglm
