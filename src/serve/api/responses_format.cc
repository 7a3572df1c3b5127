#include "serve/api/responses_format.h"

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serve/api/json_text.h"
#include "serve/api/responses_request.h"

namespace autoglm::serve {
namespace {

using Kind = AnswerDelta::Kind;

// One item of the output: thoughts, a message, or a call (kCall; its text are the arguments).
struct Item {
  Kind kind = Kind::kContent;
  std::string id;
  std::string call_id, name;
  std::string text;
  std::vector<PositionLogprobs> logprobs;
};

Item new_item(Kind kind, std::string_view name) {
  switch (kind) {
    case Kind::kReasoning: return {.kind = kind, .id = new_id("rs_")};
    case Kind::kCall:
    case Kind::kArguments:
      return {.kind = Kind::kCall,
              .id = new_id("fc_"),
              .call_id = new_id("call_"),
              .name = std::string(name)};
    case Kind::kContent: break;
  }
  return {.id = new_id("msg_")};
}

class ResponsesFormat : public AnswerFormat {
 public:
  ResponsesFormat(AnswerFacts facts, ResponsesStyle style)
      : facts_(std::move(facts)), style_(std::move(style)) {}

  std::string whole(const std::vector<WholeAnswer>& answers, const Usage& usage) override {
    const WholeChoice& choice = answers.front().choices.front();
    if (!choice.reasoning.empty()) {
      items_.push_back(new_item(Kind::kReasoning, ""));
      items_.back().text = choice.reasoning;
    }
    if (!choice.content.empty() || choice.calls.empty()) {
      items_.push_back(new_item(Kind::kContent, ""));
      items_.back().text = choice.content;
      items_.back().logprobs = choice.logprobs;
    }
    for (const WholeChoice::Call& call : choice.calls) {
      items_.push_back(new_item(Kind::kCall, call.name));
      items_.back().text = call.arguments;
    }
    return dump(ended(choice.end, usage));
  }

  std::string begin() override {
    std::string events;
    for (const std::string_view type : {"response.created", "response.in_progress"}) {
      append(events, type, {{"response", response("in_progress", {})}});
    }
    return events;
  }

  std::string piece(const AnswerPiece& piece, const Usage&) override {
    std::string events;
    const std::vector<PositionLogprobs>* logprobs =
        facts_.options.logprobs && !piece.logprobs.empty() ? &piece.logprobs : nullptr;
    for (const AnswerDelta& delta : piece.deltas) {
      if (delta.kind == Kind::kCall) {
        open(events, Kind::kCall, delta.text);
        continue;
      }
      if (delta.text.empty()) continue;
      const Kind kind = delta.kind == Kind::kArguments ? Kind::kCall : delta.kind;
      if (!open_ || items_.back().kind != kind) open(events, kind, "");
      append_text(events, delta.text,
                  kind == Kind::kContent ? std::exchange(logprobs, nullptr) : nullptr);
    }
    if (piece.end.reason != FinishReason::kNone) end_ = piece.end;
    return events;
  }

  std::string end(const Usage& usage) override {
    std::string events;
    if (items_.empty()) open(events, Kind::kContent, "");
    close(events);
    const json::object response = ended(end_, usage);
    const auto status = std::string_view(response.at("status").as_string());
    append(events, fmt::format("response.{}", status), {{"response", response}});
    return events;
  }

  std::string error(const ApiError& error) override {
    std::string events;
    json::object failed = response("failed", {});
    failed["error"] = json::object{{"code", "server_error"}, {"message", error.message}};
    append(events, "response.failed", {{"response", std::move(failed)}});
    return events;
  }

  Error in_own_names(Error error) const override { return in_responses_names(std::move(error)); }

 private:
  const ModelBackend& backend() const { return *facts_.context->backend; }

  // Numbers the event and writes it.
  void append(std::string& events, std::string_view type, json::object data) {
    json::object event{{"type", type}, {"sequence_number", number_++}};
    for (auto& member : data) event[member.key()] = std::move(member.value());
    events += fmt::format("event: {}\ndata: {}\n\n", type, dump(event));
  }

  json::object place(bool in_content) const {
    json::object place{{"output_index", std::ssize(items_) - 1}, {"item_id", items_.back().id}};
    if (in_content) place["content_index"] = 0;
    return place;
  }

  void open(std::string& events, Kind kind, std::string_view name) {
    close(events);
    items_.push_back(new_item(kind, name));
    open_ = true;
    append(events, "response.output_item.added",
           {{"output_index", std::ssize(items_) - 1},
            {"item", item_json(items_.back(), "in_progress", /*begun=*/true)}});
    if (kind != Kind::kCall) {
      json::object data = place(true);
      data["part"] = part_json(items_.back());
      append(events, "response.content_part.added", std::move(data));
    }
  }

  void append_text(std::string& events, const std::string& text,
                   const std::vector<PositionLogprobs>* logprobs) {
    Item& item = items_.back();
    item.text += text;
    json::object data = place(item.kind != Kind::kCall);
    data["delta"] = text;
    if (item.kind == Kind::kContent) {
      data["logprobs"] = logprobs == nullptr ? json::array() : logprobs_json(*logprobs);
      if (logprobs != nullptr) {
        item.logprobs.insert(item.logprobs.end(), logprobs->begin(), logprobs->end());
      }
    }
    append(events, fmt::format("response.{}.delta", text_name(item.kind)), std::move(data));
  }

  void close(std::string& events) {
    if (!open_) return;
    open_ = false;
    const Item& item = items_.back();
    json::object done = place(item.kind != Kind::kCall);
    if (item.kind == Kind::kCall) {
      done["arguments"] = item.text;
      done["name"] = item.name;
    } else {
      done["text"] = item.text;
    }
    if (item.kind == Kind::kContent) done["logprobs"] = logprobs_json(item.logprobs);
    append(events, fmt::format("response.{}.done", text_name(item.kind)), std::move(done));
    if (item.kind != Kind::kCall) {
      json::object part = place(true);
      part["part"] = part_json(item);
      append(events, "response.content_part.done", std::move(part));
    }
    append(events, "response.output_item.done",
           {{"output_index", std::ssize(items_) - 1}, {"item", item_json(item, "completed")}});
  }

  static std::string_view text_name(Kind kind) {
    switch (kind) {
      case Kind::kReasoning: return "reasoning_text";
      case Kind::kCall:
      case Kind::kArguments: return "function_call_arguments";
      case Kind::kContent: break;
    }
    return "output_text";
  }

  json::array logprobs_json(const std::vector<PositionLogprobs>& positions) const {
    std::string text;
    append_token_logprobs(text, backend(), positions);
    return json::parse(text, "logprobs")->as_array();
  }

  json::object part_json(const Item& item) const {
    if (item.kind == Kind::kReasoning) return {{"type", "reasoning_text"}, {"text", item.text}};
    return {{"type", "output_text"},
            {"text", item.text},
            {"annotations", json::array()},
            {"logprobs", logprobs_json(item.logprobs)}};
  }

  // `begun`: the parts are still to come.
  json::object item_json(const Item& item, std::string_view status, bool begun = false) const {
    json::array content;
    if (!begun && item.kind != Kind::kCall) content.push_back(part_json(item));
    switch (item.kind) {
      case Kind::kReasoning:
        return {{"id", item.id},
                {"type", "reasoning"},
                {"summary", json::array()},
                {"content", std::move(content)},
                {"status", status}};
      case Kind::kCall:
      case Kind::kArguments:
        return {{"id", item.id},     {"type", "function_call"}, {"call_id", item.call_id},
                {"name", item.name}, {"arguments", item.text},  {"status", status}};
      case Kind::kContent: break;
    }
    return {{"id", item.id},
            {"type", "message"},
            {"role", "assistant"},
            {"status", status},
            {"content", std::move(content)}};
  }

  json::object response(std::string_view status, json::array output) const {
    json::object response{{"id", facts_.id},
                          {"object", "response"},
                          {"created_at", facts_.created},
                          {"status", status},
                          {"background", false},
                          {"error", nullptr},
                          {"incomplete_details", nullptr},
                          {"model", facts_.context->model_name()},
                          {"output", std::move(output)},
                          {"usage", nullptr}};
    for (const auto& member : style_.told) response[member.key()] = member.value();
    return response;
  }

  json::object ended(const ChoiceEnd& end, const Usage& usage) {
    const bool cut = end.reason != FinishReason::kStop;
    json::array output;
    for (const Item& item : items_) {
      const bool last = &item == &items_.back();
      output.push_back(item_json(item, cut && last ? "incomplete" : "completed"));
    }
    json::object whole = response(cut ? "incomplete" : "completed", std::move(output));
    if (cut) whole["incomplete_details"] = json::object{{"reason", "max_output_tokens"}};
    whole["completed_at"] = unix_time();
    // How many of the answer's tokens are thoughts is not counted.
    whole["usage"] = json::object{
        {"input_tokens", usage.prompt_tokens},
        {"input_tokens_details",
         json::object{{"cached_tokens", usage.cached_tokens}, {"cache_write_tokens", 0}}},
        {"output_tokens", usage.completion_tokens},
        {"output_tokens_details", json::object{{"reasoning_tokens", 0}}},
        {"total_tokens", usage.prompt_tokens + usage.completion_tokens}};
    if (style_.keep) style_.keep(whole);
    return whole;
  }

  const AnswerFacts facts_;
  const ResponsesStyle style_;
  std::vector<Item> items_;
  // Of a stream.
  bool open_ = false;  // the last item
  int64_t number_ = 0;
  ChoiceEnd end_;
};

}  // namespace

std::unique_ptr<AnswerFormat> responses_format(AnswerFacts facts, ResponsesStyle style) {
  return std::make_unique<ResponsesFormat>(std::move(facts), std::move(style));
}

}  // namespace autoglm::serve
