// From logits to the next token and its log-probabilities. Everything runs in one fixed order on
// one thread, so a result depends on the logits, the parameters, the seed and the history alone.
//
// The order of operations, which is vLLM's except where noted:
//   1. log-probabilities are taken from the raw logits;
//   2. until min_tokens, the ids that would end the answer get -inf; then logit_bias is added;
//      what a constraint does not allow gets -inf after step 3;
//   3. repetition_penalty r for every id in prompt or answer: l > 0 ? l / r : l * r;
//      then l -= frequency_penalty * count and l -= presence_penalty, over the answer;
//   4. temperature below 1e-5: the largest logit, the lower id among equals. Else l / temperature;
//   5. top_k, top_p over what top_k left, min_p relative to the most likely (vLLM 1 has min_p
//      first; transformers, llama.cpp and vLLM 0 have it here). Equal logits: lower ids are kept;
//   6. one uniform number from Philox, keyed by seed, choice and position, picks by cumulative sum.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "autoglm/generation.h"
#include "engine/constraint.h"
#include "kernels/sampling/sampling.h"

namespace autoglm {

// Work space, shared by all choices of an engine.
struct SamplerScratch {
  struct Candidate {
    float logit;
    int32_t id;
    double weight;  // exp((logit - largest) / temperature)
  };
  std::vector<float> logits;
  LogitBlocks blocks;
  SoftmaxWeights weights;
  std::vector<int32_t> ids;
  std::vector<Candidate> candidates;
};

class Sampler {
 public:
  // `end_ids`: what ends an answer, and is not taken before min_tokens.
  Sampler(const SamplingParams& params, uint64_t seed, int32_t choice, std::vector<TokenId> end_ids,
          std::span<const TokenId> prompt);

  // The next token of the answer; remembers it. An error when a logit is NaN or +inf, or none is
  // finite.
  // With a constraint (which has looked), only tokens that it allows.
  Result<TokenId> next(std::span<const float> logits, SamplerScratch& scratch,
                       const Constraint* constraint = nullptr);
  // Remembers a token that needed no drawing: the only one that a constraint left, or a budget
  // forces.
  void note(TokenId token);
  // Forgets `token`, the last one that next() returned: a draft model draws ahead with the sampler
  // and then gives its draws back.
  Result<void> take_back(TokenId token);

 private:
  struct Seen {
    bool in_prompt = false;
    int32_t count = 0;  // in the answer
  };
  void adjust(std::span<float> logits) const;
  int32_t draw(std::span<const float> logits, SamplerScratch& scratch) const;
  void keep_nucleus(std::span<const float> logits, SamplerScratch& scratch) const;

  SamplingParams params_;
  uint64_t seed_;
  int32_t choice_;
  std::vector<TokenId> end_ids_;
  bool has_penalties_;
  std::unordered_map<int32_t, Seen> seen_;  // kept only with penalties
  int64_t position_ = 0;
};

// Log-softmax of `logits` at `taken`, and the `n_top` most likely. Errors as for next().
Result<PositionLogprobs> position_logprobs(std::span<const float> logits, TokenId taken,
                                           int32_t n_top, SamplerScratch& scratch);

}  // namespace autoglm
