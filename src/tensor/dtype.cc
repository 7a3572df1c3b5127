#include "tensor/dtype.h"

namespace autoglm {

DTypeInfo dtype_info(DType dtype) {
  switch (dtype) {
    case DType::kF32: return {"F32", 1, 4};
    case DType::kF16: return {"F16", 1, 2};
    case DType::kBF16: return {"BF16", 1, 2};
    case DType::kF64: return {"F64", 1, 8};
    case DType::kI8: return {"I8", 1, 1};
    case DType::kI16: return {"I16", 1, 2};
    case DType::kI32: return {"I32", 1, 4};
    case DType::kI64: return {"I64", 1, 8};
    case DType::kU8: return {"U8", 1, 1};
    case DType::kBool: return {"BOOL", 1, 1};
    case DType::kF8E4M3: return {"F8_E4M3", 1, 1};
    case DType::kF8E5M2: return {"F8_E5M2", 1, 1};
    // Block sizes: ggml's block_q* structures (scales are f16; K formats hold 256 elements).
    case DType::kQ8_0: return {"Q8_0", 32, 34};
    case DType::kQ4_0: return {"Q4_0", 32, 18};
    case DType::kQ4_1: return {"Q4_1", 32, 20};
    case DType::kQ5_0: return {"Q5_0", 32, 22};
    case DType::kQ5_1: return {"Q5_1", 32, 24};
    case DType::kQ2_K: return {"Q2_K", 256, 84};
    case DType::kQ3_K: return {"Q3_K", 256, 110};
    case DType::kQ4_K: return {"Q4_K", 256, 144};
    case DType::kQ5_K: return {"Q5_K", 256, 176};
    case DType::kQ6_K: return {"Q6_K", 256, 210};
    case DType::kCodes8: return {"INT8", 1, 1};
    case DType::kCodes5: return {"INT5", 8, 5};
    case DType::kCodes4: return {"INT4", 2, 1};
    case DType::kCodes3: return {"INT3", 8, 3};
    case DType::kCodes2: return {"INT2", 4, 1};
    case DType::kIQ4_NL: return {"IQ4_NL", 32, 18};
    case DType::kIQ4_XS: return {"IQ4_XS", 256, 136};
  }
  return {"?", 1, 1};
}

}  // namespace autoglm
