// Floats that were once decoded from a block format: whoever unpacks a quantized checkpoint leaves
// numbers that lie on the grids of its groups of 32. To round them once more costs as much as the
// first time; to find the grid again, nothing (docs/decisions/0171).
#pragma once

#include <span>

#include "tensor/code_row.h"

namespace autoglm {

// The narrowest simple kind whose grids hold all groups of the row exactly, as GGUF's Q4_0, Q4_1,
// Q5_0, Q5_1 and Q8_0 choose them (each group's extremes are codes); kNone: none does, or the row
// is not made of whole groups.
CodeKind grid_kind(std::span<const float> row);

// The row as codes of `kind`, which is simple: exact for groups that lie on such a grid, to the
// nearest code for others. The row is finite and made of whole groups.
void codes_on_grid(CodeKind kind, std::span<const float> row, CodeRow& out);

}  // namespace autoglm
