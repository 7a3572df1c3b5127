// Plain loops in id order; sums in double.
#include "engine/sampler.h"

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

// Moves the best `n` to the front, sorted, and drops the rest.
void keep_best(std::vector<SamplerScratch::Candidate>& candidates, size_t n) {
  if (n < candidates.size()) {
    const auto middle = candidates.begin() + static_cast<std::ptrdiff_t>(n);
    std::nth_element(candidates.begin(), middle, candidates.end(), better);
    candidates.resize(n);
  }
  std::sort(candidates.begin(), candidates.end(), better);
}

double total(const std::vector<SamplerScratch::Candidate>& candidates) {
  double sum = 0;
  for (const auto& candidate : candidates) sum += candidate.weight;
  return sum;
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

Result<TokenId> Sampler::next(std::span<const float> logits, SamplerScratch& scratch) {
  if (has_penalties_ || !params_.logit_bias.empty() || position_ < params_.min_tokens) {
    // The raw logits are looked at first: a penalty may hide a NaN, not make one.
    AGLM_TRY(largest_logit(logits));
    scratch.logits.assign(logits.begin(), logits.end());
    adjust(scratch.logits);
    logits = scratch.logits;
  }
  int32_t id = AGLM_TRY(largest_logit(logits));
  if (params_.temperature >= kGreedyBelow) id = draw(logits, id, scratch);
  if (has_penalties_) ++seen_[id].count;
  ++position_;
  return TokenId{id};
}

void Sampler::take_back(TokenId token) {
  AGLM_CHECK(position_ > 0, "a token taken back that was never drawn");
  --position_;
  if (!has_penalties_) return;
  const auto found = seen_.find(static_cast<int32_t>(token));
  AGLM_CHECK(found != seen_.end() && found->second.count > 0,
             "token {} taken back that was not the last", static_cast<int32_t>(token));
  if (--found->second.count == 0 && !found->second.in_prompt) seen_.erase(found);
}

void Sampler::adjust(std::span<float> logits) const {
  if (position_ < params_.min_tokens) {
    for (const TokenId id : end_ids_) logits[static_cast<size_t>(id)] = kMinusInfinity;
  }
  for (const auto& [id, bias] : params_.logit_bias) {
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

int32_t Sampler::draw(std::span<const float> logits, int32_t best, SamplerScratch& scratch) const {
  const double largest = logits[static_cast<size_t>(best)];
  const double uniform = uniform_draw(seed_, choice_, position_);
  const auto weight = [&](float logit) {
    return std::exp((static_cast<double>(logit) - largest) / params_.temperature);
  };
  const auto n = static_cast<int32_t>(logits.size());
  const bool limits_k = params_.top_k > 0 && params_.top_k < n;
  auto& candidates = scratch.candidates;
  candidates.clear();

  if (limits_k) {
    for (int32_t id = 0; id < n; ++id)
      candidates.push_back({logits[static_cast<size_t>(id)], id, 0});
    keep_best(candidates, static_cast<size_t>(params_.top_k));
    for (auto& candidate : candidates) candidate.weight = weight(candidate.logit);
  }

  // Without top_k the sum runs over all ids, and then only those that top_p may keep are sorted:
  // ids with less than (1 - top_p) / n of the sum each cannot make up 1 - top_p together.
  double sum = 0;
  if (limits_k) {
    sum = total(candidates);
  } else {
    scratch.weights.resize(logits.size());
    for (size_t id = 0; id < logits.size(); ++id) {
      scratch.weights[id] = weight(logits[id]);
      sum += scratch.weights[id];
    }
    const double floor_p = params_.top_p < 1.0 ? (1.0 - params_.top_p) / n * sum : 0.0;
    const double floor_weight = std::max(floor_p, params_.min_p);
    for (int32_t id = 0; id < n; ++id) {
      const double w = scratch.weights[static_cast<size_t>(id)];
      if (w >= floor_weight) candidates.push_back({logits[static_cast<size_t>(id)], id, w});
    }
    if (params_.top_p < 1.0) std::sort(candidates.begin(), candidates.end(), better);
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
  return best;
}

Result<int32_t> largest_logit(std::span<const float> logits) {
  int32_t best = 0;
  float largest = kMinusInfinity;
  bool broken = false;
  for (size_t id = 0; id < logits.size(); ++id) {
    const float logit = logits[id];
    broken |= !(logit <= std::numeric_limits<float>::max());  // NaN or +inf
    if (logit > largest) {
      largest = logit;
      best = static_cast<int32_t>(id);
    }
  }
  if (broken || largest == kMinusInfinity) {
    return Error{.code = ErrorCode::kCorrupt,
                 .what = "the model's logits make no distribution",
                 .where = "sampler",
                 .expected = "finite numbers",
                 .found = broken ? "NaN or infinity" : "no finite number"};
  }
  return best;
}

Result<PositionLogprobs> position_logprobs(std::span<const float> logits, TokenId taken,
                                           int32_t n_top, SamplerScratch& scratch) {
  const int32_t best = AGLM_TRY(largest_logit(logits));
  const double largest = logits[static_cast<size_t>(best)];
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  const double log_sum = largest + std::log(sum);
  const auto logprob = [&](float logit) {
    return static_cast<float>(static_cast<double>(logit) - log_sum);
  };

  PositionLogprobs result;
  const float taken_logit = logits[static_cast<size_t>(taken)];
  int32_t rank = 1;
  for (size_t id = 0; id < logits.size(); ++id) {
    const bool first = id < static_cast<size_t>(taken);
    if (logits[id] > taken_logit || (first && logits[id] == taken_logit)) ++rank;
  }
  result.taken = {taken, logprob(taken_logit), rank};

  if (n_top > 0) {
    // A heap of the best so far, the worst of them on top: few logits get past it.
    auto& top = scratch.candidates;
    top.clear();
    for (int32_t id = 0; id < static_cast<int32_t>(logits.size()); ++id) {
      const SamplerScratch::Candidate candidate{logits[static_cast<size_t>(id)], id, 0};
      if (std::ssize(top) < n_top) {
        top.push_back(candidate);
        std::push_heap(top.begin(), top.end(), better);
      } else if (better(candidate, top.front())) {
        std::pop_heap(top.begin(), top.end(), better);
        top.back() = candidate;
        std::push_heap(top.begin(), top.end(), better);
      }
    }
    std::sort(top.begin(), top.end(), better);
    for (const auto& candidate : top) {
      result.top.push_back({TokenId{candidate.id}, logprob(candidate.logit),
                            static_cast<int32_t>(result.top.size()) + 1});
    }
  }
  return result;
}

}  // namespace autoglm
