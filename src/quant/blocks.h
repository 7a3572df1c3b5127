// The block formats of GGUF, decoded and encoded one block at a time by the plainest loops: the
// definition of right that kernels are tested against. Decoding gives the same bits as the Python
// package `gguf`; the order of its two multiplications is part of the format.
#pragma once

#include <cstddef>
#include <span>

#include "tensor/dtype.h"

namespace autoglm {

// Whether values of `dtype` come in blocks of more than one.
bool is_block_format(DType dtype);

// Decodes one block to out[block_elements]. `block` has block_bytes bytes, unaligned. `dtype`: any
// block format.
void decode_block(DType dtype, const std::byte* block, float* out);

// Decodes elements of any dtype; those that f32 cannot hold are rounded to it.
// Precondition: `bytes` holds exactly out.size() elements, in whole blocks.
void decode_elements(DType dtype, std::span<const std::byte> bytes, std::span<float> out);

// Whether encode_elements takes `dtype`.
bool can_encode(DType dtype);

// Encodes to F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K or Q6_K, rounding to nearest
// within the range of each group. No search for better scales: an encoder for tests and synthetic
// weights, whose simple formats (not K) equal the Python package's byte for byte. Values are
// finite.
void encode_elements(DType dtype, std::span<const float> values, std::span<std::byte> out);

}  // namespace autoglm
