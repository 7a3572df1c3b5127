// How far a quantized model's next-token distributions are from the original's, from the last
// hidden states of both over the same text.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "autoglm/generation.h"
#include "autoglm/result.h"
#include "devices/cpu/graph_run.h"
#include "kernels/isa.h"
#include "kernels/linear/packed_weight.h"
#include "train/quantize/next_token.h"

namespace autoglm {

struct HeadInput {
  const RowsView* hidden = nullptr;
  const PackedWeight* head = nullptr;  // [vocab, hidden]
};

// `sequences` are those whose hidden states the rows are. The last row of each predicts nothing.
Result<Quality> compare(const Context& context, std::span<const std::vector<TokenId>> sequences,
                        const HeadInput& before, const HeadInput& after);

}  // namespace autoglm
