// Is a request one that we can serve? Asked before it is accepted; what is accepted always ends.
#pragma once

#include <cstdint>

#include "autoglm/generation.h"

namespace autoglm {

struct RequestLimits {
  int32_t vocab_size = 0;
  int64_t max_model_len = 0;  // tokens of one sequence
  int64_t pool_tokens = 0;    // positions that the KV pool holds
  int32_t hidden_size = 0;
  int32_t page_tokens = 0;
};

// An error names the parameter, its range and what was found.
Result<void> check_request(const GenerationRequest& request, const RequestLimits& limits);

// The same for the sampling parameters but max_tokens and min_tokens.
Result<void> check_sampling(const SamplingParams& sampling, int32_t vocab_size);

// The same for the tokens alone.
Result<void> check_prompt(const std::vector<TokenId>& prompt, const RequestLimits& limits);

// The same for tenant, salt and deadline.
Result<void> check_scheduling(const Scheduling& scheduling);

// Tokens that the answer may have. Precondition: check_request() passed.
int64_t answer_limit(const GenerationRequest& request, const RequestLimits& limits);

}  // namespace autoglm
