// What kernels come in: instruction sets of this machine, formats of weights, types of keys and
// values. The one table that tests walk, so that a new one is tested everywhere at once; the tables
// that it reads are those of the program itself.
#pragma once

#include <span>
#include <vector>

#include "kernels/isa.h"
#include "tensor/dtype.h"
#include "tensor/weight_format.h"

namespace autoglm {

// Formats that are packed from floats, by rounding or as they are.
inline std::vector<WeightFormat> formats_of_floats() {
  std::vector<WeightFormat> all;
  for (const WeightFormatInfo& info : kWeightFormats) {
    if (!holds_codes(info.format)) all.push_back(info.format);
  }
  return all;
}

// Formats that are packed from codes of files.
inline std::vector<WeightFormat> formats_of_codes() {
  std::vector<WeightFormat> all;
  for (const WeightFormatInfo& info : kWeightFormats) {
    if (holds_codes(info.format)) all.push_back(info.format);
  }
  return all;
}

// What pages of keys and values may hold (KvCache::dtype).
inline constexpr DType kKvDTypes[] = {DType::kF32, DType::kBF16, DType::kF16, DType::kI8};

// Whether products with such weights, or attention over such pages, have the bits that all
// instruction sets have in common: all but AMX on bf16 (docs/decisions/0072).
constexpr bool has_common_bits(Isa isa, WeightFormat format) {
  return isa != Isa::kAmx || format != WeightFormat::kBF16;
}
constexpr bool has_common_bits(Isa isa, DType kv) { return isa != Isa::kAmx || kv != DType::kBF16; }

}  // namespace autoglm
