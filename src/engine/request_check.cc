// Ranges as vLLM has them; bounds of our own where it has none.
#include "engine/request_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "autoglm/limits.h"
#include "base/utf8.h"
#include "engine/prompt_inputs.h"

namespace autoglm {
namespace {

// OpenAI's words: clients know by them that a request does not fit.
constexpr std::string_view kContextTooLong = "This model's maximum context length is";

Error invalid(std::string_view parameter, std::string expected, std::string found) {
  return {.code = ErrorCode::kInvalidArgument,
          .what = "parameter out of range",
          .where = std::string(parameter),
          .expected = std::move(expected),
          .found = std::move(found)};
}

Result<void> in_range(std::string_view parameter, double value, double low, double high) {
  if (value >= low && value <= high) return {};
  return invalid(parameter, fmt::format("{} to {}", low, high), fmt::format("{}", value));
}

Result<void> token_in_vocabulary(std::string_view parameter, int32_t id, int32_t vocab_size) {
  if (id >= 0 && id < vocab_size) return {};
  return invalid(parameter, fmt::format("token ids from 0 to {}", vocab_size - 1),
                 fmt::format("{}", id));
}

Result<void> at_most(std::string_view parameter, size_t count, size_t most) {
  if (count <= most) return {};
  return invalid(parameter, fmt::format("at most {} entries", most), fmt::format("{}", count));
}

}  // namespace

Result<void> check_sampling(const SamplingParams& s, int32_t vocab_size) {
  AGLM_TRY(in_range("temperature", s.temperature, 0, limits::kMaxTemperature));
  AGLM_TRY(in_range("top_k", s.top_k, -1, 2147483647));
  AGLM_TRY(in_range("top_p", s.top_p, 0, 1));
  if (s.top_p == 0) return invalid("top_p", "more than 0", "0");
  AGLM_TRY(in_range("min_p", s.min_p, 0, 1));
  AGLM_TRY(in_range("repetition_penalty", s.repetition_penalty, limits::kMinRepetitionPenalty,
                    limits::kMaxRepetitionPenalty));
  AGLM_TRY(
      in_range("presence_penalty", s.presence_penalty, -limits::kMaxPenalty, limits::kMaxPenalty));
  AGLM_TRY(in_range("frequency_penalty", s.frequency_penalty, -limits::kMaxPenalty,
                    limits::kMaxPenalty));
  AGLM_TRY(in_range("n", s.n, 1, limits::kMaxChoices));
  if (s.logprobs) AGLM_TRY(in_range("logprobs", *s.logprobs, 0, limits::kMaxLogprobs));
  if (s.prompt_logprobs) {
    AGLM_TRY(in_range("prompt_logprobs", *s.prompt_logprobs, 0, limits::kMaxLogprobs));
  }
  AGLM_TRY(in_range("num_speculative_tokens", s.num_speculative_tokens.value_or(0), 0,
                    std::numeric_limits<int32_t>::max()));
  AGLM_TRY(at_most("logit_bias", s.logit_bias->size(), limits::kMaxLogitBiases));
  for (const auto& [id, bias] : *s.logit_bias) {
    AGLM_TRY(token_in_vocabulary("logit_bias", id, vocab_size));
    AGLM_TRY(in_range("logit_bias", bias, -limits::kMaxLogitBias, limits::kMaxLogitBias));
  }
  AGLM_TRY(at_most("stop_token_ids", s.stop_token_ids.size(), limits::kMaxStopTokens));
  for (const TokenId id : s.stop_token_ids) {
    AGLM_TRY(token_in_vocabulary("stop_token_ids", static_cast<int32_t>(id), vocab_size));
  }
  AGLM_TRY(at_most("stop", s.stop.size(), limits::kMaxStops));
  for (const std::string& stop : s.stop) {
    if (!is_valid_utf8(stop)) return invalid("stop", "UTF-8", "other bytes");
    if (stop.empty() || stop.size() > limits::kMaxStopBytes) {
      return invalid("stop", fmt::format("strings of 1 to {} bytes", limits::kMaxStopBytes),
                     fmt::format("{} bytes", stop.size()));
    }
  }
  return {};
}

Result<void> check_scheduling(const Scheduling& scheduling) {
  const auto short_enough = [](std::string_view parameter, const std::string& text, size_t most) {
    if (text.size() <= most) return Result<void>();
    return Result<void>(
        invalid(parameter, fmt::format("at most {} bytes", most), fmt::format("{}", text.size())));
  };
  AGLM_TRY(short_enough("tenant", scheduling.tenant, limits::kMaxTenantBytes));
  AGLM_TRY(short_enough("cache_salt", scheduling.cache_salt, limits::kMaxCacheSaltBytes));
  // A year: more is meant as none.
  return in_range("timeout_ms", static_cast<double>(scheduling.timeout_ms.value_or(1)), 1, 3.2e10);
}

Result<void> check_prompt(const std::vector<TokenId>& prompt, const RequestLimits& limits) {
  if (prompt.empty()) return invalid("prompt", "at least one token", "none");
  const auto length = static_cast<int64_t>(prompt.size());
  const int64_t most = std::min(limits.max_model_len, limits.pool_tokens);
  if (length > most) {
    return Error{
        .code = ErrorCode::kInvalidArgument,
        .what = fmt::format("{} {} tokens, and the prompt has {}", kContextTooLong, most, length),
        .where = "prompt",
        .reason = ErrorReason::kContextTooLong};
  }
  for (const TokenId id : prompt) {
    AGLM_TRY(token_in_vocabulary("prompt", static_cast<int32_t>(id), limits.vocab_size));
  }
  return {};
}

int64_t answer_limit(const GenerationRequest& request, const RequestLimits& limits) {
  const int64_t room = std::min(limits.max_model_len, limits.pool_tokens) -
                       static_cast<int64_t>(request.prompt.size());
  return std::min(request.sampling.max_tokens.value_or(room), room);
}

Result<void> check_request(const GenerationRequest& request, const RequestLimits& limits) {
  const SamplingParams& s = request.sampling;
  AGLM_TRY(check_prompt(request.prompt, limits));
  AGLM_TRY(check_inputs(*request.inputs, std::ssize(request.prompt), limits.hidden_size));
  AGLM_TRY(check_sampling(s, limits.vocab_size));
  AGLM_TRY(check_scheduling(request.scheduling));
  // Indexed with the prompt; what is longer than a sequence can be does not come true.
  AGLM_TRY(
      at_most("prediction", request.prediction->size(), static_cast<size_t>(limits.max_model_len)));
  for (const TokenId id : *request.prediction) {
    AGLM_TRY(token_in_vocabulary("prediction", static_cast<int32_t>(id), limits.vocab_size));
  }
  const auto length = static_cast<int64_t>(request.prompt.size());
  const int64_t room = std::min(limits.max_model_len, limits.pool_tokens) - length;
  if (s.max_tokens && *s.max_tokens < 0) {
    return invalid("max_tokens", "at least 0", fmt::format("{}", *s.max_tokens));
  }
  if (s.max_tokens.value_or(1) > room) {
    return Error{
        .code = ErrorCode::kInvalidArgument,
        .what = fmt::format(
            "{} {} tokens, and the request needs {}: {} of the prompt and {} of the answer",
            kContextTooLong, length + room, length + s.max_tokens.value_or(1), length,
            s.max_tokens.value_or(1)),
        .where = "max_tokens",
        .reason = ErrorReason::kContextTooLong};
  }
  if (s.min_tokens < 0 || s.min_tokens > s.max_tokens.value_or(room)) {
    return invalid("min_tokens", fmt::format("0 to {}", s.max_tokens.value_or(room)),
                   fmt::format("{}", s.min_tokens));
  }
  return {};
}

}  // namespace autoglm
