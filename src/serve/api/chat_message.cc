#include "serve/api/chat_message.h"

#include <iterator>
#include <utility>

#include "serve/context.h"

namespace autoglm::serve {
namespace {

constexpr size_t kShortId = 9;

}  // namespace

ChatMessage::ChatMessage(const ChatReading& reading)
    : reading_(&reading), reader_(reading.reader ? reading.reader() : nullptr) {}

bool ChatMessage::wanted(const AnswerDelta& delta) const {
  switch (delta.kind) {
    case AnswerDelta::Kind::kContent: return true;
    case AnswerDelta::Kind::kReasoning: return reading_->include_reasoning;
    case AnswerDelta::Kind::kCall:
    case AnswerDelta::Kind::kArguments: return reading_->parallel_calls || delta.call == 0;
  }
  return true;
}

std::vector<AnswerDelta> ChatMessage::read(std::string_view text, Ending ending) {
  std::vector<AnswerDelta> deltas;
  if (reader_ == nullptr) {
    if (!text.empty()) deltas.push_back({.text = std::string(text)});
    return deltas;
  }
  deltas = reader_->push(text);
  if (ending.reason != FinishReason::kNone) {
    const bool by_itself = ending.reason == FinishReason::kStop && !ending.by_stop_text;
    std::vector<AnswerDelta> rest = reader_->finish(by_itself ? AnswerEnd::kTurn : AnswerEnd::kCut);
    deltas.insert(deltas.end(), std::make_move_iterator(rest.begin()),
                  std::make_move_iterator(rest.end()));
  }
  for (const AnswerDelta& delta : deltas) {
    has_left_out_calls_ =
        has_left_out_calls_ || (delta.kind == AnswerDelta::Kind::kCall && !wanted(delta));
  }
  std::erase_if(deltas, [this](const AnswerDelta& delta) { return !wanted(delta); });
  for (const AnswerDelta& delta : deltas) {
    has_calls_ = has_calls_ || delta.kind == AnswerDelta::Kind::kCall;
  }
  return deltas;
}

json::object ChatMessage::begun_call(const std::string& name) const {
  const std::string id = reading_->short_ids ? new_id("").substr(0, kShortId) : new_id("call_");
  return json::object{{"id", id},
                      {"type", "function"},
                      {"function", json::object{{"name", name}, {"arguments", ""}}}};
}

json::object ChatMessage::whole(std::string_view text, Ending ending, std::string_view echo) {
  std::string content(echo);
  std::string reasoning;
  json::array calls;
  for (const AnswerDelta& delta : read(text, ending)) {
    switch (delta.kind) {
      case AnswerDelta::Kind::kContent: content += delta.text; break;
      case AnswerDelta::Kind::kReasoning: reasoning += delta.text; break;
      case AnswerDelta::Kind::kCall: calls.push_back(begun_call(delta.text)); break;
      case AnswerDelta::Kind::kArguments: {
        json::value& arguments = calls.back().at("function").at("arguments");
        arguments.as_string().append(delta.text);
      }
    }
  }
  json::object message;
  message["role"] = "";  // its place; the caller knows it
  message["content"] =
      content.empty() && !calls.empty() ? json::value(nullptr) : json::value(content);
  if (!reasoning.empty()) message["reasoning_content"] = reasoning;
  if (!calls.empty()) message["tool_calls"] = std::move(calls);
  return message;
}

json::object ChatMessage::delta_json(const AnswerDelta& delta) const {
  switch (delta.kind) {
    case AnswerDelta::Kind::kContent: break;
    case AnswerDelta::Kind::kReasoning: return {{"reasoning_content", delta.text}};
    case AnswerDelta::Kind::kCall: {
      json::object call = begun_call(delta.text);
      call["index"] = delta.call;
      return {{"tool_calls", json::array{std::move(call)}}};
    }
    case AnswerDelta::Kind::kArguments: {
      json::object call{{"index", delta.call},
                        {"function", json::object{{"arguments", delta.text}}}};
      return {{"tool_calls", json::array{std::move(call)}}};
    }
  }
  return {{"content", delta.text}};
}

std::vector<json::object> ChatMessage::deltas(std::string_view text, Ending ending) {
  std::vector<json::object> objects;
  for (const AnswerDelta& delta : read(text, ending)) objects.push_back(delta_json(delta));
  return objects;
}

json::value ChatMessage::finish_reason(FinishReason reason) const {
  const bool whole = reader_ != nullptr && (reader_->calls_are_whole() || has_left_out_calls_);
  if (has_calls_ && whole && reason == FinishReason::kStop) return "tool_calls";
  return finish_reason_json(reason);
}

}  // namespace autoglm::serve
