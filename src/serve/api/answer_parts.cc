// Pieces that the answer formats share: usage, reasons, log-probabilities.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "serve/api/answer_format.h"
#include "serve/api/json_text.h"

namespace autoglm::serve {
namespace {

// JSON has no infinity; OpenAI writes -9999 for what cannot be sampled.
json::value logprob_json(float logprob) { return shortest(std::max(logprob, -9999.0f)); }

json::object token_json(const ModelBackend& backend, const TokenLogprob& token) {
  const std::string bytes = backend.token_text(token.id);
  json::array byte_list;
  for (const char c : bytes)
    byte_list.push_back(static_cast<int64_t>(static_cast<unsigned char>(c)));
  json::object object;
  object["token"] = printable_utf8(bytes);
  object["logprob"] = logprob_json(token.logprob);
  object["bytes"] = std::move(byte_list);
  return object;
}

}  // namespace

std::string sse(const json::value& value) { return "data: " + dump(value) + "\n\n"; }

json::object usage_json(const Usage& usage) {
  json::object object;
  object["prompt_tokens"] = usage.prompt_tokens;
  object["total_tokens"] = usage.prompt_tokens + usage.completion_tokens;
  object["completion_tokens"] = usage.completion_tokens;
  object["prompt_tokens_details"] = json::object{{"cached_tokens", usage.cached_tokens}};
  if (usage.accepted_prediction_tokens + usage.rejected_prediction_tokens > 0) {
    object["completion_tokens_details"] =
        json::object{{"accepted_prediction_tokens", usage.accepted_prediction_tokens},
                     {"rejected_prediction_tokens", usage.rejected_prediction_tokens}};
  }
  return object;
}

json::value finish_reason_json(FinishReason reason) {
  switch (reason) {
    case FinishReason::kNone: return nullptr;
    case FinishReason::kStop: return "stop";
    case FinishReason::kLength: return "length";
    case FinishReason::kCancelled:
    case FinishReason::kError: return "error";
  }
  return "error";
}

json::value stop_reason_json(const std::optional<std::string>& reason,
                             const std::optional<TokenId>& token) {
  if (token) return static_cast<int64_t>(*token);
  return reason ? json::value(printable_utf8(*reason)) : json::value(nullptr);
}

json::array ids_json(const std::vector<TokenId>& ids) {
  json::array list;
  list.reserve(ids.size());
  for (const TokenId id : ids) list.push_back(static_cast<int64_t>(id));
  return list;
}

json::object chat_logprobs(const ModelBackend& backend,
                           const std::vector<PositionLogprobs>& positions) {
  json::array content;
  for (const PositionLogprobs& position : positions) {
    json::object token = token_json(backend, position.taken);
    json::array top;
    for (const TokenLogprob& other : position.top) top.push_back(token_json(backend, other));
    token["top_logprobs"] = std::move(top);
    content.push_back(std::move(token));
  }
  json::object object;
  object["content"] = std::move(content);
  object["refusal"] = nullptr;
  return object;
}

json::array prompt_logprobs_json(const ModelBackend& backend,
                                 const std::vector<std::optional<PositionLogprobs>>& positions) {
  json::array list;
  for (const auto& position : positions) {
    if (!position) {
      list.push_back(nullptr);
      continue;
    }
    json::object tokens;
    const auto add = [&](const TokenLogprob& token) {
      tokens[fmt::to_string(static_cast<int32_t>(token.id))] =
          json::object{{"logprob", logprob_json(token.logprob)},
                       {"rank", token.rank},
                       {"decoded_token", printable_utf8(backend.token_text(token.id))}};
    };
    add(position->taken);
    for (const TokenLogprob& token : position->top) add(token);
    list.push_back(std::move(tokens));
  }
  return list;
}

// As OpenAI does: bytes that are no characters of their own are spelled out, so that two different
// tokens never share a key.
std::string CompletionLogprobs::spelled(TokenId id) const {
  std::string bytes = backend_->token_text(id);
  if (is_utf8(bytes)) return bytes;
  std::string text = "bytes:";
  for (const char c : bytes) {
    fmt::format_to(std::back_inserter(text), "\\x{:02x}", static_cast<unsigned char>(c));
  }
  return text;
}

void CompletionLogprobs::add_token(TokenId id) {
  tokens_.push_back(json::value(spelled(id)));
  offsets_.push_back(offset_);
  offset_ += count_characters(backend_->token_text(id));
}

void CompletionLogprobs::add(const PositionLogprobs& position) {
  add_token(position.taken.id);
  logprobs_.push_back(logprob_json(position.taken.logprob));
  json::object top;
  for (const TokenLogprob& token : position.top) {
    top[spelled(token.id)] = logprob_json(token.logprob);
  }
  top[spelled(position.taken.id)] = logprob_json(position.taken.logprob);
  top_.push_back(std::move(top));
}

void CompletionLogprobs::add_unscored(TokenId id) {
  add_token(id);
  logprobs_.push_back(nullptr);
  top_.push_back(nullptr);
}

json::object CompletionLogprobs::take() {
  json::object object;
  object["text_offset"] = std::exchange(offsets_, {});
  object["token_logprobs"] = std::exchange(logprobs_, {});
  object["tokens"] = std::exchange(tokens_, {});
  object["top_logprobs"] = std::exchange(top_, {});
  return object;
}

}  // namespace autoglm::serve
