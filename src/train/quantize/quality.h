// How far a quantized model's next-token distributions are from the original's, from the last
// hidden states of both over the same text.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "autoglm/generation.h"
#include "autoglm/result.h"
#include "kernels/isa.h"
#include "kernels/linear/packed_weight.h"
#include "train/quantize/graph_run.h"

namespace autoglm {

struct Quality {
  int64_t tokens = 0;  // predicted
  double perplexity_before = 0;
  double perplexity_after = 0;
  double kl_mean = 0;    // of the original's distribution to the quantized one's, in nats
  double kl_99 = 0;      // its 99th percentile
  double same_top1 = 0;  // share of positions with the same most likely token
};

struct HeadInput {
  const RowsView* hidden = nullptr;
  const PackedWeight* head = nullptr;  // [vocab, hidden]
};

// `sequences` are those whose hidden states the rows are. The last row of each predicts nothing.
Result<Quality> compare(const Context& context, std::span<const std::vector<TokenId>> sequences,
                        const HeadInput& before, const HeadInput& after);

}  // namespace autoglm
