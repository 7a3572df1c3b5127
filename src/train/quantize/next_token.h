// How far one model's next-token distributions are from another's over the same text: perplexity,
// KL divergence, and whether the most likely token is the same.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace autoglm {

struct Quality {
  int64_t tokens = 0;  // predicted
  double perplexity_before = 0;
  double perplexity_after = 0;
  double kl_mean = 0;          // of the original's distribution to the other one's, in nats
  double kl_99 = 0;            // its 99th percentile
  double same_top1 = 0;        // share of positions with the same most likely token
  double mean_difference = 0;  // of the log-probabilities of the tokens that came, without sign
};

// One position, from the logits of both and the token that came.
struct NextToken {
  double nll_before = 0;
  double nll_after = 0;
  double kl = 0;
  bool same_top1 = false;
};
NextToken compare_logits(std::span<const float> before, std::span<const float> after, size_t taken);

Quality summarize(std::span<const NextToken> positions);

}  // namespace autoglm
