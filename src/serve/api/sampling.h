// The fields that say how to answer: sampling, stops, limits, what to report, stream or not. Shared
// by chat completions, completions and /infer.
#pragma once

#include <optional>
#include <string>

#include "autoglm/model.h"
#include "base/json.h"
#include "serve/request_context.h"

namespace autoglm::serve {

enum class Dialect { kChat, kCompletions, kInfer };

struct AnswerOptions {
  SamplingParams sampling;  // max_tokens and n as asked
  bool stream = false;
  bool include_usage = false;     // stream_options
  bool continuous_usage = false;  // stream_options.continuous_usage_stats: usage in every chunk
  bool echo = false;
  bool logprobs = false;
  bool return_token_ids = false;
  Scheduling scheduling;
  StructuredOutput structured_output;
};

// Missing fields take the model's defaults (generation_config.json), then OpenAI's.
Result<AnswerOptions> read_answer_options(const json::Fields& fields, Dialect dialect,
                                          const ModelInfo& model, const RequestContext& request);

// vLLM's `priority` and `cache_salt`; `timeout_ms`; OpenAI's `user` and its cheap tier. What the
// request's context says of tenant and deadline outranks them.
Result<Scheduling> read_scheduling(const json::Fields& fields, const RequestContext& request);

// Errors when the body asks for something that would change the answer and is not offered.
Result<void> refuse_unsupported(const json::Fields& fields, Dialect dialect);

}  // namespace autoglm::serve
