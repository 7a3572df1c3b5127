// Element types of tensors in files and in memory. The block formats of GGUF are here by name; what
// their bytes mean is the business of quant/.
#pragma once

#include <cstdint>
#include <string_view>

namespace autoglm {

enum class DType : uint8_t {
  kF32,
  kF16,
  kBF16,
  kF64,
  kI8,
  kI16,
  kI32,
  kI64,
  kU8,
  kBool,
  kF8E4M3,  // four bits of exponent, three of fraction, no infinities
  kF8E5M2,
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  // Codes of the program's own quantizer; scales and offsets stand in tensors beside them
  // (formats/coded_matrix.h).
  kCodes8,
  kCodes5,
  kCodes4,
  kCodes3,
  kCodes2,
  kIQ4_NL,
  kIQ4_XS,
};

struct DTypeInfo {
  std::string_view name;   // as llama.cpp and safetensors users know it: "F32", "BF16", "Q4_K"
  int32_t block_elements;  // elements in a block; 1 for plain types
  int32_t block_bytes;     // bytes in a block
};

DTypeInfo dtype_info(DType dtype);

}  // namespace autoglm
