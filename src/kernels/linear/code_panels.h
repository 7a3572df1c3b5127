// Writing and reading one row of a panel of codes.
#pragma once

#include <cstddef>
#include <span>

#include "kernels/linear/code_form.h"

namespace autoglm {

int64_t code_panel_bytes(const CodeForm& form, int64_t padded_k);
// `row` is of a kind that `form` holds.
void store_codes(const CodeForm& form, const CodeRow& row, int64_t lane, std::byte* panel);
// scale * code - minimum, the product exact, the difference rounded to f32.
void decode_codes(const CodeForm& form, const std::byte* panel, int64_t lane, std::span<float> out);

}  // namespace autoglm
