// The passes over the whole vocabulary are kernels (kernels/sampling); what they leave is handled
// here, in plain loops and in double.
#include "engine/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/check.h"
#include "engine/philox.h"

namespace autoglm {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
constexpr double kGreedyBelow = 1e-5;  // vLLM's: division by less overflows

bool better(const SamplerScratch::Candidate& a, const SamplerScratch::Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

double total(const std::vector<SamplerScratch::Candidate>& candidates) {
  double sum = 0;
  for (const auto& candidate : candidates) sum += candidate.weight;
  return sum;
}

// Looks at all logits once: an error when they make no distribution.
Result<void> scan(std::span<const float> logits, LogitBlocks* blocks) {
  if (scan_logits(logits, blocks)) return {};
  bool broken = false;
  for (const float logit : logits) broken |= !(logit <= std::numeric_limits<float>::max());
  return Error{.code = ErrorCode::kCorrupt,
               .what = "the model's logits make no distribution",
               .where = "sampler",
               .expected = "finite numbers",
               .found = broken ? "NaN or infinity" : "no finite number"};
}

// A draw among all ids, in their order: first the block, then the id in it.
int32_t draw_of_all(const SoftmaxWeights& weights, double uniform, int32_t best) {
  const double target = uniform * weights.sum;
  double passed = 0;
  int32_t last = best;  // of those with any weight, where rounding leads past the end
  for (size_t block = 0; block < weights.block_sums.size(); ++block) {
    const double after = passed + weights.block_sums[block];
    if (target < after) {
      const size_t begin = block * LogitBlocks::kSize;
      const size_t end = std::min(begin + LogitBlocks::kSize, weights.of.size());
      for (size_t i = begin; i < end; ++i) {
        if (weights.of[i] == 0) continue;
        last = static_cast<int32_t>(i);
        passed += double{weights.of[i]};
        if (target < passed) return last;
      }
      return last;
    }
    passed = after;
  }
  return last;
}

}  // namespace

Sampler::Sampler(const SamplingParams& params, uint64_t seed, int32_t choice,
                 std::vector<TokenId> end_ids, std::span<const TokenId> prompt)
    : params_(params),
      seed_(seed),
      choice_(choice),
      end_ids_(std::move(end_ids)),
      has_penalties_(params.repetition_penalty != 1.0 || params.presence_penalty != 0.0 ||
                     params.frequency_penalty != 0.0) {
  if (params_.repetition_penalty != 1.0) {
    for (const TokenId id : prompt) seen_[static_cast<int32_t>(id)].in_prompt = true;
  }
}

Result<TokenId> Sampler::next(std::span<const float> logits, SamplerScratch& scratch,
                              const Constraint* constraint) {
  if (has_penalties_ || !params_.logit_bias->empty() || position_ < params_.min_tokens ||
      constraint != nullptr) {
    // The raw logits are looked at first: a penalty may hide a NaN, not make one.
    AGLM_TRY(scan(logits, &scratch.blocks));
    scratch.logits.assign(logits.begin(), logits.end());
    adjust(scratch.logits);
    if (constraint != nullptr) constraint->apply(scratch.logits);
    logits = scratch.logits;
  }
  AGLM_TRY(scan(logits, &scratch.blocks));
  int32_t id = scratch.blocks.best;
  if (params_.temperature >= kGreedyBelow) id = draw(logits, scratch);
  note(TokenId{id});
  return TokenId{id};
}

void Sampler::note(TokenId token) {
  if (has_penalties_) ++seen_[static_cast<int32_t>(token)].count;
  ++position_;
}

Result<void> Sampler::take_back(TokenId token) {
  if (position_ <= 0) return internal_error("a token taken back that was never drawn");
  --position_;
  if (!has_penalties_) return {};
  const auto found = seen_.find(static_cast<int32_t>(token));
  if (found == seen_.end() || found->second.count <= 0) {
    return internal_error(
        fmt::format("token {} taken back that was not the last", static_cast<int32_t>(token)));
  }
  if (--found->second.count == 0 && !found->second.in_prompt) seen_.erase(found);
  return {};
}

void Sampler::adjust(std::span<float> logits) const {
  if (position_ < params_.min_tokens) {
    for (const TokenId id : end_ids_) logits[static_cast<size_t>(id)] = kMinusInfinity;
  }
  for (const auto& [id, bias] : *params_.logit_bias) {
    logits[static_cast<size_t>(id)] += static_cast<float>(bias);
  }
  if (!has_penalties_) return;
  const auto repetition = static_cast<float>(params_.repetition_penalty);
  const auto frequency = static_cast<float>(params_.frequency_penalty);
  const auto presence = static_cast<float>(params_.presence_penalty);
  // Each id is touched once: the map's order does not matter.
  for (const auto& [id, seen] : seen_) {
    float& logit = logits[static_cast<size_t>(id)];
    logit = logit > 0 ? logit / repetition : logit * repetition;
    if (seen.count == 0) continue;
    logit -= frequency * static_cast<float>(seen.count);
    logit -= presence;
  }
}

// The candidates that top_p may keep, best first. Those within a few temperatures of the largest
// are nearly always enough; where they are not, the next round reaches deeper. Ids with less than
// (1 - top_p) / n of the sum each cannot make up 1 - top_p together: no round needs them.
void Sampler::keep_nucleus(std::span<const float> logits, SamplerScratch& scratch) const {
  const double largest = logits[static_cast<size_t>(scratch.blocks.best)];
  const double sum = scratch.weights.sum;
  const double share = (1.0 - params_.top_p) / static_cast<double>(logits.size());
  const double deepest = 1 - std::log(std::max(share * sum, 1e-40));
  auto& candidates = scratch.candidates;
  for (double depth = 4;; depth *= 2) {
    const double reach = std::min(depth, deepest);
    ids_from(logits, scratch.blocks, static_cast<float>(largest - reach * params_.temperature),
             &scratch.ids);
    candidates.clear();
    for (const int32_t id : scratch.ids) {
      const auto i = static_cast<size_t>(id);
      candidates.push_back({logits[i], id, double{scratch.weights.of[i]}});
    }
    // The sum was taken in another order: a millionth for that.
    if (depth >= deepest || total(candidates) > params_.top_p * sum * (1 + 1e-6)) break;
  }
  std::sort(candidates.begin(), candidates.end(), better);
}

int32_t Sampler::draw(std::span<const float> logits, SamplerScratch& scratch) const {
  const double largest = logits[static_cast<size_t>(scratch.blocks.best)];
  const double uniform = uniform_draw(seed_, choice_, position_);
  auto& candidates = scratch.candidates;
  candidates.clear();

  double sum = 0;
  if (params_.top_k > 0 && params_.top_k < std::ssize(logits)) {
    top_k(logits, scratch.blocks, params_.top_k, &scratch.ids);
    for (const int32_t id : scratch.ids) {
      const float logit = logits[static_cast<size_t>(id)];
      const double weight = std::exp((static_cast<double>(logit) - largest) / params_.temperature);
      candidates.push_back({logit, id, weight});
    }
    sum = total(candidates);
  } else {
    softmax_weights(logits, scratch.blocks, static_cast<float>(params_.temperature),
                    &scratch.weights);
    sum = scratch.weights.sum;
    if (params_.top_p < 1.0) {
      keep_nucleus(logits, scratch);
    } else if (params_.min_p > 0.0) {
      for (size_t i = 0; i < logits.size(); ++i) {
        const double weight = scratch.weights.of[i];
        if (weight >= params_.min_p) {
          candidates.push_back({logits[i], static_cast<int32_t>(i), weight});
        }
      }
    } else {
      return draw_of_all(scratch.weights, uniform, scratch.blocks.best);
    }
  }

  if (params_.top_p < 1.0) {
    double before = 0;
    size_t kept = 0;
    while (kept < candidates.size() && (kept == 0 || before < params_.top_p * sum)) {
      before += candidates[kept++].weight;
    }
    candidates.resize(kept);
  }
  if (params_.min_p > 0.0) {
    std::erase_if(candidates, [&](const auto& c) { return c.weight < params_.min_p; });
  }

  const double target = uniform * total(candidates);
  double passed = 0;
  for (const auto& candidate : candidates) {
    passed += candidate.weight;
    if (target < passed) return candidate.id;
  }
  // `uniform` is below 1, so only rounding leads here: the last one that has any weight.
  for (auto it = candidates.rbegin(); it != candidates.rend(); ++it) {
    if (it->weight > 0) return it->id;
  }
  return scratch.blocks.best;
}

Result<PositionLogprobs> position_logprobs(std::span<const float> logits, TokenId taken,
                                           int32_t n_top, SamplerScratch& scratch) {
  AGLM_TRY(scan(logits, &scratch.blocks));
  softmax_weights(logits, scratch.blocks, 1.0f, &scratch.weights);
  const double largest = logits[static_cast<size_t>(scratch.blocks.best)];
  const double log_sum = largest + std::log(scratch.weights.sum);
  const auto entry = [&](int32_t id, int32_t rank) {
    const double logit = logits[static_cast<size_t>(id)];
    return TokenLogprob{TokenId{id}, static_cast<float>(logit - log_sum), rank};
  };
  PositionLogprobs result;
  const auto id = static_cast<int32_t>(taken);
  result.taken = entry(id, rank_before(logits, id) + 1);
  if (n_top > 0) {
    top_k(logits, scratch.blocks, n_top, &scratch.ids);
    for (const int32_t top : scratch.ids) {
      result.top.push_back(entry(top, static_cast<int32_t>(result.top.size()) + 1));
    }
  }
  return result;
}

}  // namespace autoglm
