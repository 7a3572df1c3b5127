// How many elements and bytes a stored shape stands for, without overflow.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "autoglm/result.h"
#include "tensor/dtype.h"

namespace autoglm {

inline constexpr size_t kMaxRank = 8;  // convolutions over video have 5

// Errors when the product leaves 2^62, or when rows do not consist of whole blocks of `dtype`.
// `shape` is slowest first and not negative.
Result<size_t> stored_bytes(DType dtype, std::span<const int64_t> shape, std::string_view where);

}  // namespace autoglm
