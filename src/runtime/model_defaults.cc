// Two small readers over base/json.h.
#include "runtime/model_defaults.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "base/log.h"
#include "engine/request_check.h"
#include "text/tokenizer/turn_ends.h"

namespace autoglm {
namespace {

// A model with more ends than this is a mistake; each is compared at every token.
constexpr size_t kMaxEnds = 256;

void add_once(TokenId token, EndOfSequence& end) {
  if (std::find(end.all.begin(), end.all.end(), token) == end.all.end()) end.all.push_back(token);
}

// -1 is how some converters write "none", and ids beyond the vocabulary come from configurations of
// other models: neither can be generated, so nothing is lost without it. Rows of the embedding
// beyond the tokenizer's last id are padding, as a rule.
Result<void> add_end(const json::value& value, const json::Fields& fields, int32_t vocab_size,
                     int32_t n_tokens, EndOfSequence& end) {
  const int64_t* id = value.if_int64();
  if (id == nullptr || end.all.size() == kMaxEnds) {
    return fields.wrong("eos_token_id", fmt::format("a token id below {}, or at most {} of them",
                                                    vocab_size, kMaxEnds));
  }
  if (*id < 0 || *id >= vocab_size) {
    logger()->warn("{}: eos_token_id: {} is no token of this model (0 to {}) and ends nothing",
                   fields.where(), *id, vocab_size - 1);
    return {};
  }
  if (*id >= n_tokens) {
    logger()->warn("{}: eos_token_id: {} is no token of the tokenizer (0 to {})", fields.where(),
                   *id, n_tokens - 1);
  }
  add_once(TokenId{static_cast<int32_t>(*id)}, end);
  return {};
}

}  // namespace

Result<SamplingParams> default_sampling(const Checkpoint& checkpoint, int32_t vocab_size) {
  const std::string where = checkpoint.path() + ": generation config";
  const json::Fields fields(checkpoint.generation_config(), where);
  SamplingParams params;
  params.temperature = AGLM_TRY(fields.number_or("temperature", params.temperature));
  const int64_t top_k = AGLM_TRY(fields.integer_or("top_k", params.top_k));
  params.top_k = static_cast<int32_t>(std::clamp<int64_t>(top_k, -2, vocab_size));
  params.top_p = AGLM_TRY(fields.number_or("top_p", params.top_p));
  params.min_p = AGLM_TRY(fields.number_or("min_p", params.min_p));
  params.repetition_penalty =
      AGLM_TRY(fields.number_or("repetition_penalty", params.repetition_penalty));
  if (!AGLM_TRY(fields.boolean_or("do_sample", true))) params.temperature = 0;
  Result<void> checked = check_sampling(params, vocab_size);
  if (!checked) {
    Error error = std::move(checked).error();
    error.where = where + ": " + error.where;
    return error;
  }
  return params;
}

Result<EndOfSequence> end_of_sequence(const Checkpoint& checkpoint, const Tokenizer& tokenizer,
                                      int32_t vocab_size) {
  EndOfSequence end;
  const json::Fields generation(checkpoint.generation_config(),
                                checkpoint.path() + ": generation config");
  const json::Fields config(checkpoint.config(), checkpoint.path() + ": config");
  const json::Fields& fields = generation.find("eos_token_id") != nullptr ? generation : config;
  const int32_t n_tokens = tokenizer.vocab_size();
  if (const json::value* ids = fields.find("eos_token_id")) {
    if (const json::array* list = ids->if_array()) {
      for (const json::value& id : *list) AGLM_TRY(add_end(id, fields, vocab_size, n_tokens, end));
    } else {
      AGLM_TRY(add_end(*ids, fields, vocab_size, n_tokens, end));
    }
  }
  const auto is_usable = [&](std::optional<TokenId> id) {
    return id && static_cast<int32_t>(*id) < vocab_size;
  };
  if (const std::optional<TokenId> own = tokenizer.eos(); is_usable(own)) {
    end.own = own;
    add_once(*own, end);
  }
  for (const std::string_view spelling : kTurnEnds) {
    if (const auto id = tokenizer.token_id(spelling); is_usable(id)) add_once(*id, end);
  }
  if (end.all.empty()) {
    logger()->warn("{}: no token ends an answer: each runs to its max_tokens", checkpoint.path());
  }
  return end;
}

}  // namespace autoglm
