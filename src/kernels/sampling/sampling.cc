#include "kernels/sampling/sampling.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/check.h"
#include "kernels/isa.h"
#include "kernels/sampling/variants.h"

namespace autoglm {
namespace {

int64_t blocks_of(size_t n) {
  return (static_cast<int64_t>(n) + LogitBlocks::kSize - 1) / LogitBlocks::kSize;
}

const SamplingVariant& variant() {
  static const SamplingVariant* const chosen = [] {
    const Result<Isa> isa = select_isa();
    return &sampling_variant(isa ? *isa : Isa::kGeneric);
  }();
  return *chosen;
}

}  // namespace

const SamplingVariant& sampling_variant(Isa isa) {
  switch (isa) {
    case Isa::kGeneric: return kSamplingGeneric;
    case Isa::kAvx2: return kSamplingAvx2;
    case Isa::kAvx512:
    case Isa::kAmx: return kSamplingAvx512;
  }
  return kSamplingGeneric;
}

bool scan_logits(std::span<const float> logits, LogitBlocks* blocks) {
  const auto n = static_cast<int64_t>(logits.size());
  blocks->best = 0;
  blocks->greatest.assign(static_cast<size_t>(blocks_of(logits.size())), -HUGE_VALF);
  if (!variant().scan(logits.data(), n, blocks->greatest.data())) return false;
  const auto block = std::max_element(blocks->greatest.begin(), blocks->greatest.end());
  if (block == blocks->greatest.end() || *block == -HUGE_VALF) return false;
  const float* first = logits.data() + (block - blocks->greatest.begin()) * LogitBlocks::kSize;
  blocks->best = static_cast<int32_t>(std::find(first, logits.data() + n, *block) - logits.data());
  return true;
}

void ids_from(std::span<const float> logits, const LogitBlocks& blocks, float least,
              std::vector<int32_t>* ids) {
  ids->clear();
  for (size_t b = 0; b < blocks.greatest.size(); ++b) {
    if (blocks.greatest[b] < least) continue;
    const size_t begin = b * LogitBlocks::kSize;
    const size_t end = std::min(begin + LogitBlocks::kSize, logits.size());
    for (size_t i = begin; i < end; ++i) {
      if (logits[i] >= least) ids->push_back(static_cast<int32_t>(i));
    }
  }
}

void top_k(std::span<const float> logits, const LogitBlocks& blocks, int32_t k,
           std::vector<int32_t>* ids) {
  AGLM_CHECK(k >= 0, "{} of {} logits", k, logits.size());
  const auto wanted = std::min(static_cast<size_t>(k), logits.size());
  // The k greatest logits are at least the k-th greatest of the blocks' maxima.
  float least = -HUGE_VALF;
  if (wanted > 0 && wanted <= blocks.greatest.size()) {
    std::vector<float> maxima = blocks.greatest;
    const auto kth = maxima.begin() + static_cast<std::ptrdiff_t>(wanted) - 1;
    std::nth_element(maxima.begin(), kth, maxima.end(), std::greater<>());
    least = *kth;
  }
  ids_from(logits, blocks, least, ids);
  const auto before = [&](int32_t i, int32_t j) {
    const float a = logits[static_cast<size_t>(i)];
    const float b = logits[static_cast<size_t>(j)];
    return a != b ? a > b : i < j;
  };
  if (wanted < ids->size()) {
    std::nth_element(ids->begin(), ids->begin() + static_cast<std::ptrdiff_t>(wanted), ids->end(),
                     before);
    ids->resize(wanted);
  }
  std::sort(ids->begin(), ids->end(), before);
}

void softmax_weights(std::span<const float> logits, const LogitBlocks& blocks, float temperature,
                     SoftmaxWeights* weights) {
  weights->of.resize(logits.size());
  weights->block_sums.resize(static_cast<size_t>(blocks_of(logits.size())));
  variant().weights(logits.data(), static_cast<int64_t>(logits.size()),
                    logits[static_cast<size_t>(blocks.best)], 1.0f / temperature,
                    weights->of.data(), weights->block_sums.data());
  weights->sum = 0;
  for (const double sum : weights->block_sums) weights->sum += sum;
}

int32_t rank_before(std::span<const float> logits, int32_t id) {
  const auto n = static_cast<int64_t>(logits.size());
  const float own = logits[static_cast<size_t>(id)];
  return static_cast<int32_t>(variant().count_from(logits.data(), id, own) +
                              variant().count_above(logits.data() + id, n - id, own));
}

}  // namespace autoglm
