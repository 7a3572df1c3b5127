// GGUF's block formats as integers and their scales (tensor/code_row.h), without rounding.
#pragma once

#include <cstddef>
#include <span>

#include "tensor/code_row.h"
#include "tensor/dtype.h"

namespace autoglm {

// kNone for types that are not block formats, and for Q2_K and Q3_K, whose codes of two and three
// bits would take twice their room.
CodeKind code_kind(DType dtype);

// `bytes` holds a row of `columns` elements in whole blocks; code_kind(dtype) is not kNone. The
// weights are those of decode_elements(), before its rounding to f32: it rounds differences with a
// minimum (Q4_1, Q5_1, Q4_K, Q5_K), nothing else.
void unpack_codes(DType dtype, std::span<const std::byte> bytes, int64_t columns, CodeRow& out);

}  // namespace autoglm
