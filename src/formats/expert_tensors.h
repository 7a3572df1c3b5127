// Tensors that hold one matrix of every expert of a mixture, seen as matrices of their own under
// the names that transformers writes: "model.layers.0.mlp.experts.3.gate_proj.weight".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "autoglm/result.h"
#include "formats/checkpoint.h"

namespace autoglm {

// A small file could else claim to hold so many matrices of a few bytes that describing them takes
// all memory. The largest models have some 70,000.
inline constexpr size_t kMostTensors = size_t{1} << 20;
Result<void> check_tensor_count(size_t n, const StoredTensor& last);

// Rows [first, first + n) of expert `expert` of `all`, [experts, rows, columns]; the bytes stay
// where they are.
StoredTensor expert_rows(const StoredTensor& all, std::string name, int64_t expert, int64_t first,
                         int64_t n);

// Replaces what transformers holds in memory, and some checkpoints on disk:
// "....experts.gate_up_proj" [experts, 2 * inner, columns], whose rows are gate | up, and
// "....experts.down_proj" [experts, columns, inner]. Refused: other shapes, types other than
// floats, and experts that are stored one by one as well.
Result<std::vector<StoredTensor>> split_fused_experts(std::vector<StoredTensor> tensors);

}  // namespace autoglm
