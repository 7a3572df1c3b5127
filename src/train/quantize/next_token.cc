#include "train/quantize/next_token.h"

#include <algorithm>
#include <cmath>

namespace autoglm {
namespace {

// log(sum(exp(logits)))
double log_sum(std::span<const float> logits) {
  const double largest = *std::ranges::max_element(logits);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return largest + std::log(sum);
}

}  // namespace

NextToken compare_logits(std::span<const float> before, std::span<const float> after,
                         size_t taken) {
  const double log_before = log_sum(before);
  const double log_after = log_sum(after);
  double kl = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    const double p = before[i] - log_before;
    kl += std::exp(p) * (p - (after[i] - log_after));
  }
  return {.nll_before = log_before - before[taken],
          .nll_after = log_after - after[taken],
          .kl = std::max(0.0, kl),
          .same_top1 = std::ranges::max_element(before) - before.begin() ==
                       std::ranges::max_element(after) - after.begin()};
}

Quality summarize(std::span<const NextToken> positions) {
  Quality quality;
  if (positions.empty()) return quality;
  double nll_before = 0;
  double nll_after = 0;
  std::vector<double> kl;
  for (const NextToken& position : positions) {
    nll_before += position.nll_before;
    nll_after += position.nll_after;
    quality.kl_mean += position.kl;
    quality.same_top1 += position.same_top1 ? 1 : 0;
    quality.mean_difference += std::abs(position.nll_after - position.nll_before);
    kl.push_back(position.kl);
  }
  const auto n = static_cast<double>(kl.size());
  quality.tokens = static_cast<int64_t>(kl.size());
  quality.perplexity_before = std::exp(nll_before / n);
  quality.perplexity_after = std::exp(nll_after / n);
  quality.kl_mean /= n;
  quality.same_top1 /= n;
  quality.mean_difference /= n;
  std::ranges::sort(kl);
  quality.kl_99 = kl[static_cast<size_t>(0.99 * (n - 1))];
  return quality;
}

}  // namespace autoglm
