// What the answer formats share: whole answers from pieces, usage, reasons, log-probabilities.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "base/utf8.h"
#include "serve/api/answer_format.h"
#include "serve/api/json_text.h"

namespace autoglm::serve {
namespace {

// JSON has no infinity; OpenAI writes -9999 for what cannot be sampled.
void append_logprob(std::string& out, float logprob) {
  if (!std::isfinite(logprob)) logprob = logprob > 0 ? 9999.0f : -9999.0f;
  fmt::format_to(std::back_inserter(out), "{}", std::max(logprob, -9999.0f));
}

// All but the closing brace.
void append_token(std::string& out, const ModelBackend& backend, const TokenLogprob& token) {
  const std::string bytes = backend.token_text(token.id);
  out += "{\"token\":";
  append_string(out, repair_utf8(bytes));
  out += ",\"logprob\":";
  append_logprob(out, token.logprob);
  out += ",\"bytes\":[";
  for (size_t i = 0; i < bytes.size(); ++i) {
    fmt::format_to(std::back_inserter(out), "{}{}", i == 0 ? "" : ",",
                   static_cast<unsigned char>(bytes[i]));
  }
  out += ']';
}

// A comma, but before the first item.
void separate(std::string& list) {
  if (!list.empty()) list += ',';
}

}  // namespace

void WholeAnswer::add(AnswerPiece piece) {
  const auto which = static_cast<size_t>(piece.choice);
  if (choices.size() <= which) choices.resize(which + 1);
  WholeChoice& choice = choices[which];
  for (AnswerDelta& delta : piece.deltas) {
    switch (delta.kind) {
      case AnswerDelta::Kind::kContent: choice.content += delta.text; break;
      case AnswerDelta::Kind::kReasoning: choice.reasoning += delta.text; break;
      case AnswerDelta::Kind::kCall: choice.calls.push_back({.name = std::move(delta.text)}); break;
      case AnswerDelta::Kind::kArguments: choice.calls.back().arguments += delta.text; break;
    }
  }
  choice.tokens.insert(choice.tokens.end(), piece.tokens.begin(), piece.tokens.end());
  choice.logprobs.insert(choice.logprobs.end(), std::make_move_iterator(piece.logprobs.begin()),
                         std::make_move_iterator(piece.logprobs.end()));
  if (!piece.prompt_logprobs->empty()) prompt_logprobs = piece.prompt_logprobs;
  if (piece.end.reason != FinishReason::kNone) choice.end = std::move(piece.end);
}

size_t WholeAnswer::size() const {
  size_t n = prompt_logprobs->size();
  for (const WholeChoice& choice : choices) {
    size_t n_bytes = choice.content.size() + choice.reasoning.size();
    for (const WholeChoice::Call& call : choice.calls) n_bytes += call.arguments.size();
    n += choice.tokens.size() + n_bytes / 16;
    for (const PositionLogprobs& position : choice.logprobs) n += position.top.size() + 1;
  }
  return n;
}

std::string AnswerFormat::error(const ApiError& error) {
  return sse(error_body(error)) + std::string(kSseDone);
}

std::string sse(std::string_view json) { return fmt::format("data: {}\n\n", json); }

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

json::value finish_reason_json(const ChoiceEnd& end) {
  if (end.with_calls) return "tool_calls";
  switch (end.reason) {
    case FinishReason::kNone: return nullptr;
    case FinishReason::kStop: return "stop";
    case FinishReason::kLength: return "length";
    case FinishReason::kCancelled:
    case FinishReason::kError: return "error";
  }
  return "error";
}

json::object arguments_json(const std::string& arguments) {
  if (arguments.empty()) return {};
  auto parsed = json::parse(arguments, "arguments");
  if (parsed && parsed->is_object()) return std::move(parsed->get_object());
  return {{"INVALID_JSON", repair_utf8(arguments)}};
}

json::value stop_reason_json(const ChoiceEnd& end) {
  if (end.stop_token) return static_cast<int64_t>(*end.stop_token);
  return end.stop_reason ? json::value(repair_utf8(*end.stop_reason)) : json::value(nullptr);
}

std::string text_of(const AnswerPiece& piece) {
  std::string text;
  for (const AnswerDelta& delta : piece.deltas) text += delta.text;
  return text;
}

json::array ids_json(const std::vector<TokenId>& ids) {
  json::array list;
  list.reserve(ids.size());
  for (const TokenId id : ids) list.push_back(static_cast<int64_t>(id));
  return list;
}

void append_token_logprobs(std::string& out, const ModelBackend& backend,
                           const std::vector<PositionLogprobs>& positions) {
  out += '[';
  for (size_t i = 0; i < positions.size(); ++i) {
    if (i > 0) out += ',';
    append_token(out, backend, positions[i].taken);
    out += ",\"top_logprobs\":[";
    for (size_t k = 0; k < positions[i].top.size(); ++k) {
      if (k > 0) out += ',';
      append_token(out, backend, positions[i].top[k]);
      out += '}';
    }
    out += "]}";
  }
  out += ']';
}

void append_chat_logprobs(std::string& out, const ModelBackend& backend,
                          const std::vector<PositionLogprobs>& positions) {
  out += "{\"content\":";
  append_token_logprobs(out, backend, positions);
  out += ",\"refusal\":null}";
}

void append_prompt_logprobs(std::string& out, const ModelBackend& backend,
                            const PromptLogprobs& positions) {
  out += '[';
  for (size_t i = 0; i < positions.size(); ++i) {
    if (i > 0) out += ',';
    if (!positions[i]) {
      out += "null";
      continue;
    }
    const auto append = [&](const TokenLogprob& token, char before) {
      fmt::format_to(std::back_inserter(out), "{}\"{}\":{{\"logprob\":", before,
                     static_cast<int32_t>(token.id));
      append_logprob(out, token.logprob);
      fmt::format_to(std::back_inserter(out), ",\"rank\":{},\"decoded_token\":", token.rank);
      append_string(out, repair_utf8(backend.token_text(token.id)));
      out += '}';
    };
    append(positions[i]->taken, '{');
    for (const TokenLogprob& token : positions[i]->top) {
      if (token.id != positions[i]->taken.id) append(token, ',');
    }
    out += '}';
  }
  out += ']';
}

// As OpenAI does: bytes that are no characters of their own are spelled out, so that two different
// tokens never share a key.
std::string CompletionLogprobs::spelled(TokenId id) const {
  std::string bytes = backend_->token_text(id);
  if (is_valid_utf8(bytes)) return bytes;
  std::string text = "bytes:";
  for (const char c : bytes) {
    fmt::format_to(std::back_inserter(text), "\\x{:02x}", static_cast<unsigned char>(c));
  }
  return text;
}

void CompletionLogprobs::add_token(TokenId id) {
  separate(tokens_);
  append_string(tokens_, spelled(id));
  separate(offsets_);
  offsets_ += fmt::to_string(offset_);
  offset_ += static_cast<int64_t>(count_characters(backend_->token_text(id)));
}

void CompletionLogprobs::add(const PositionLogprobs& position) {
  add_token(position.taken.id);
  separate(logprobs_);
  append_logprob(logprobs_, position.taken.logprob);
  separate(top_);
  // Different tokens may be spelled alike: the likelier one has the key.
  std::vector<std::string> names;
  const auto append = [&](const TokenLogprob& token, char before) {
    std::string name = spelled(token.id);
    if (std::find(names.begin(), names.end(), name) != names.end()) return;
    top_ += before;
    append_string(top_, name);
    top_ += ':';
    append_logprob(top_, token.logprob);
    names.push_back(std::move(name));
  };
  append(position.taken, '{');
  for (const TokenLogprob& token : position.top) append(token, ',');
  top_ += '}';
}

void CompletionLogprobs::add_unscored(TokenId id) {
  add_token(id);
  separate(logprobs_);
  logprobs_ += "null";
  separate(top_);
  top_ += "null";
}

void CompletionLogprobs::append_to(std::string& out) {
  const auto list = [&](std::string_view name, std::string& items) {
    out += name;
    out += items;
    items.clear();
  };
  list("{\"text_offset\":[", offsets_);
  list("],\"token_logprobs\":[", logprobs_);
  list("],\"tokens\":[", tokens_);
  list("],\"top_logprobs\":[", top_);
  out += "]}";
}

}  // namespace autoglm::serve
