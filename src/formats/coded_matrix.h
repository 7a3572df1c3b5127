// A matrix as `autoglm quantize` stores it: integer codes, with what turns them into weights in
// tensors of their own beside them (docs/formats/progressive.md). The bytes are as in the file and
// not trusted; whoever packs them for kernels checks the codes.
//
//   8 bits: t[i] = channel_scale * code[i]
//   fewer:  t[i] = channel_scale * (scale[g] * code[i] + offset[g]), g = i / group_size
//   row = transpose(T) t, of the rotation of its columns (tensor/rotation.h)
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "base/json.h"
#include "tensor/progressive.h"

namespace autoglm {

struct StoredTensor;

struct CodedMatrix {
  int bits = 0;             // 8, or 5 to 2
  int64_t group_size = 32;  // of less than 8 bits: columns that share a scale and an offset
  int64_t columns = 0;
  std::span<const std::byte> codes;           // [rows, row_bytes()], int8 or code by code
  std::span<const std::byte> group_scales;    // less than 8 bits: uint8 [rows, groups]
  std::span<const std::byte> group_offsets;   // less than 8 bits: int8 [rows, groups]
  std::span<const std::byte> channel_scales;  // float [rows], not aligned

  Progressive form() const { return {.bits = bits, .group_size = group_size}; }
  int64_t groups() const { return groups_of(columns, group_size); }
  static int64_t groups_of(int64_t columns, int64_t group_size) {
    return (columns + group_size - 1) / group_size;
  }
  int64_t row_bytes() const { return row_bytes(bits, columns); }
  static int64_t row_bytes(int bits, int64_t columns) { return (bits * columns + 7) / 8; }
  // Whether so many columns have a form in so many bits: the number of bytes tells the columns.
  static bool fits(int bits, int64_t columns) { return columns % step(bits) == 0; }
  // Columns of a form come by so many.
  static constexpr int64_t step(int bits) {
    return bits == 8 ? 1 : bits == 4 ? 2 : bits == 5 ? 8 : 4;
  }
  float channel_scale(int64_t row) const;
  int8_t whole(int64_t row, int64_t column) const;  // of 8 bits
  // Of less than 8 bits: code i of a row is its bits i * bits on, the lowest of a byte first.
  uint8_t code(int64_t row, int64_t column) const;
  uint8_t scale(int64_t row, int64_t group) const;
  int8_t offset(int64_t row, int64_t group) const;
  void decode_turned_row(int64_t row, std::span<float> out) const;  // t
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

// Codes of turned rows. Versions 1 to 3 held codes of the rows themselves, with which activations
// cannot be turned.
inline constexpr int64_t kCodedVersion = 4;

// What a configuration says of codes whose tensors do not tell their bits: those in U8.
struct CodedConfig {
  int bits = 4;
  std::map<std::string, int, std::less<>> bits_of;  // of matrices that differ

  int bits_of_matrix(std::string_view name) const;
};

// Nullopt: the checkpoint was not written by `autoglm quantize`. Errors: it was, but in a version
// or with bits or a group size that we do not know.
Result<std::optional<CodedConfig>> read_coded_config(const json::object& config,
                                                     std::string_view where);

// Joins the tensors of each coded matrix into one of a dtype kCodes8 to kCodes2 with the matrix's
// name. Errors: a part that is missing, has another dtype or a shape that contradicts the codes;
// codes that contradict the configuration.
Result<std::vector<StoredTensor>> join_coded(std::vector<StoredTensor> tensors,
                                             const CodedConfig& config);

}  // namespace autoglm
