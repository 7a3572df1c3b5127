// Answers of Anthropic's Messages API: a message of blocks, whole or in named events.
#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>

#include "base/utf8.h"
#include "serve/api/answer_format.h"
#include "serve/api/anthropic_request.h"
#include "serve/api/json_text.h"

namespace autoglm::serve {
namespace {

// `data` has its type, which is the event's name, first.
std::string event(std::string_view name, const json::object& data) {
  return fmt::format("event: {}\ndata: {}\n\n", name, dump(data));
}

class MessagesFormat : public AnswerFormat {
 public:
  MessagesFormat(AnswerFacts facts, const ChatStyle& style)
      : facts_(std::move(facts)), cut_to_context_(style.cut_to_context) {}

  std::string whole(const std::vector<WholeAnswer>& answers, const Usage& usage) override {
    const WholeChoice& choice = answers.front().choices.front();
    json::array content;
    if (!choice.reasoning.empty()) {
      json::object block = empty_block(AnswerDelta::Kind::kReasoning, "");
      block["thinking"] = choice.reasoning;
      content.push_back(std::move(block));
    }
    if (!choice.content.empty()) {
      content.push_back(json::object{{"type", "text"}, {"text", choice.content}});
    }
    for (const WholeChoice::Call& call : choice.calls) {
      json::object block = empty_block(AnswerDelta::Kind::kCall, call.name);
      block["input"] = arguments_json(call.arguments);
      content.push_back(std::move(block));
    }
    json::object answer = message(std::move(content), usage);
    answer["stop_reason"] = stop_reason(choice.end);
    answer["stop_sequence"] = stop_sequence(choice.end);
    return dump(answer);
  }

  std::string begin() override {
    Usage usage;
    for (const auto& prompt : facts_.prompts) usage.prompt_tokens += std::ssize(prompt);
    return event("message_start",
                 {{"type", "message_start"}, {"message", message(json::array(), usage)}}) +
           event("ping", {{"type", "ping"}});
  }

  std::string piece(const AnswerPiece& piece, const Usage&) override {
    std::string events;
    for (const AnswerDelta& delta : piece.deltas) append_delta(events, delta);
    if (piece.end.reason != FinishReason::kNone) end_ = piece.end;
    return events;
  }

  std::string end(const Usage& usage) override {
    std::string events;
    close_block(events);
    json::object delta{{"stop_reason", stop_reason(end_)}, {"stop_sequence", stop_sequence(end_)}};
    events +=
        event("message_delta",
              {{"type", "message_delta"}, {"delta", std::move(delta)}, {"usage", usage_of(usage)}});
    events += event("message_stop", {{"type", "message_stop"}});
    return events;
  }

  std::string error(const ApiError& error) override {
    return fmt::format("event: error\ndata: {}\n\n", error_body(error, error_form()));
  }
  ErrorForm error_form() const override { return ErrorForm::kAnthropic; }
  Error in_own_names(Error error) const override { return in_messages_names(std::move(error)); }

 private:
  using Kind = AnswerDelta::Kind;

  void append_delta(std::string& events, const AnswerDelta& delta) {
    if (delta.kind == Kind::kCall) {
      open_block(events, Kind::kCall, delta.text);
      return;
    }
    if (delta.text.empty()) return;
    if (delta.kind != Kind::kArguments && open_ != delta.kind) {
      open_block(events, delta.kind, "");
    }
    json::object piece;
    switch (delta.kind) {
      case Kind::kContent: piece = {{"type", "text_delta"}, {"text", delta.text}}; break;
      case Kind::kReasoning: piece = {{"type", "thinking_delta"}, {"thinking", delta.text}}; break;
      case Kind::kArguments:
      case Kind::kCall: piece = {{"type", "input_json_delta"}, {"partial_json", delta.text}}; break;
    }
    events += block_event("content_block_delta", "delta", std::move(piece));
  }

  void open_block(std::string& events, Kind kind, std::string_view name) {
    close_block(events);
    events += block_event("content_block_start", "content_block", empty_block(kind, name));
    open_ = kind;
  }

  void close_block(std::string& events) {
    if (!open_) return;
    if (*open_ == Kind::kReasoning) {
      events += block_event("content_block_delta", "delta",
                            {{"type", "signature_delta"}, {"signature", facts_.id}});
    }
    events += event("content_block_stop", {{"type", "content_block_stop"}, {"index", index_}});
    ++index_;
    open_.reset();
  }

  std::string block_event(std::string_view name, std::string_view member,
                          json::object value) const {
    json::object data{{"type", name}, {"index", index_}};
    data[member] = std::move(value);
    return event(name, data);
  }

  json::object empty_block(Kind kind, std::string_view name) const {
    switch (kind) {
      case Kind::kContent: break;
      // Clients send a signature back with the thoughts, and want one. It proves nothing here.
      case Kind::kReasoning:
        return {{"type", "thinking"}, {"thinking", ""}, {"signature", facts_.id}};
      case Kind::kCall:
      case Kind::kArguments:
        return {{"type", "tool_use"},
                {"id", new_id("toolu_")},
                {"name", name},
                {"input", json::object()}};
    }
    return {{"type", "text"}, {"text", ""}};
  }

  json::object message(json::array content, const Usage& usage) const {
    return {{"id", facts_.id},
            {"type", "message"},
            {"role", "assistant"},
            {"model", facts_.context->model_name()},
            {"content", std::move(content)},
            {"stop_reason", nullptr},
            {"stop_sequence", nullptr},
            {"usage", usage_of(usage)}};
  }

  // `input_tokens` are those behind what was found in the cache.
  static json::object usage_of(const Usage& usage) {
    return {{"input_tokens", usage.prompt_tokens - usage.cached_tokens},
            {"cache_creation_input_tokens", 0},
            {"cache_read_input_tokens", usage.cached_tokens},
            {"output_tokens", usage.completion_tokens}};
  }

  json::value stop_reason(const ChoiceEnd& end) const {
    if (end.with_calls) return "tool_use";
    switch (end.reason) {
      case FinishReason::kLength:
        return cut_to_context_ || !facts_.options.sampling.max_tokens
                   ? "model_context_window_exceeded"
                   : "max_tokens";
      case FinishReason::kStop: return by_stop_sequence(end) ? "stop_sequence" : "end_turn";
      case FinishReason::kNone:
      case FinishReason::kCancelled:
      case FinishReason::kError: break;
    }
    return nullptr;
  }

  // A token at which the model's turns end has a number alone.
  static bool by_stop_sequence(const ChoiceEnd& end) { return end.stop_reason && !end.stop_token; }
  static json::value stop_sequence(const ChoiceEnd& end) {
    return by_stop_sequence(end) ? json::value(repair_utf8(*end.stop_reason))
                                 : json::value(nullptr);
  }

  const AnswerFacts facts_;
  const bool cut_to_context_;
  // Of a stream: the block that is open, and its number.
  std::optional<Kind> open_;
  int64_t index_ = 0;
  ChoiceEnd end_;
};

}  // namespace

std::unique_ptr<AnswerFormat> messages_format(AnswerFacts facts, const ChatStyle& style) {
  return std::make_unique<MessagesFormat>(std::move(facts), style);
}

}  // namespace autoglm::serve
