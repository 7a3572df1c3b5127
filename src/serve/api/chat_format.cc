// chat.completion and chat.completion.chunk.
#include <optional>
#include <utility>

#include "serve/api/answer_format.h"
#include "serve/api/json_text.h"

namespace autoglm::serve {
namespace {

constexpr size_t kShortId = 9;

class ChatFormat : public AnswerFormat {
 public:
  ChatFormat(AnswerFacts facts, ChatStyle style)
      : facts_(std::move(facts)), style_(std::move(style)) {}

  std::string whole(const std::vector<WholeAnswer>& answers, const Usage& usage) override {
    const WholeAnswer& result = answers.front();
    std::string answer = dump(frame("chat.completion"));
    add_member(answer, "choices", [&](std::string& out) { append_choices(out, result.choices); });
    add_member(answer, "usage", usage_json(usage));
    if (facts_.options.sampling.prompt_logprobs) {
      add_member(answer, "prompt_logprobs", [&](std::string& out) {
        append_prompt_logprobs(out, backend(), *result.prompt_logprobs);
      });
    }
    if (facts_.options.return_token_ids) {
      add_member(answer, "prompt_token_ids", ids_json(facts_.prompts.front()));
    }
    return answer;
  }

  std::string begin() override {
    std::string events;
    for (int32_t i = 0; i < facts_.options.sampling.n; ++i) {
      json::object delta{{"role", style_.role}, {"content", echo()}, {"refusal", nullptr}};
      std::string first = chunk(choice_text(choice_json(i, std::move(delta))));
      if (facts_.options.return_token_ids && i == 0) {
        add_member(first, "prompt_token_ids", ids_json(facts_.prompts.front()));
      }
      events += sse(first);
    }
    return events;
  }

  std::string piece(const AnswerPiece& piece, const Usage& usage) override {
    std::string events;
    const bool has_logprobs = facts_.options.logprobs && !piece.logprobs.empty();
    const bool has_ids = facts_.options.return_token_ids && !piece.tokens.empty();
    const bool has_prompt_logprobs = !piece.prompt_logprobs->empty();
    std::vector<json::object> deltas;
    for (const AnswerDelta& delta : piece.deltas) deltas.push_back(delta_json(delta));
    if (deltas.empty() && (has_logprobs || has_ids || has_prompt_logprobs)) {
      deltas.push_back({{"content", ""}});
    }
    for (size_t i = 0; i < deltas.size(); ++i) {
      // What belongs to the tokens goes with the first delta that they gave.
      const bool first = i == 0;
      json::object object = choice_json(piece.choice, std::move(deltas[i]));
      if (first && has_ids) object["token_ids"] = ids_json(piece.tokens);
      std::string text =
          chunk(choice_text(object, first && has_logprobs ? &piece.logprobs : nullptr), usage);
      if (first && has_prompt_logprobs) {
        add_member(text, "prompt_logprobs", [&](std::string& out) {
          append_prompt_logprobs(out, backend(), *piece.prompt_logprobs);
        });
      }
      events += sse(text);
    }
    if (piece.end.reason != FinishReason::kNone) {
      json::object choice = choice_json(piece.choice, {});
      choice["finish_reason"] = finish_reason_json(piece.end);
      choice["stop_reason"] = stop_reason_json(piece.end);
      events += sse(chunk(choice_text(choice), usage));
    }
    return events;
  }

  std::string end(const Usage& usage) override {
    std::string events;
    if (facts_.options.include_usage) {
      json::object object = frame("chat.completion.chunk");
      object["choices"] = json::array();
      object["usage"] = usage_json(usage);
      events += sse(object);
    }
    events += kSseDone;
    return events;
  }

 private:
  const ModelBackend& backend() const { return *facts_.context->backend; }

  std::string echo() const {
    return facts_.echo_texts.empty() ? std::string() : facts_.echo_texts.front();
  }

  json::object begun_call(const std::string& name, const std::string& arguments) const {
    const std::string id = style_.short_ids ? new_id("").substr(0, kShortId) : new_id("call_");
    return json::object{{"id", id},
                        {"type", "function"},
                        {"function", json::object{{"name", name}, {"arguments", arguments}}}};
  }

  json::object delta_json(const AnswerDelta& delta) const {
    switch (delta.kind) {
      case AnswerDelta::Kind::kContent: break;
      case AnswerDelta::Kind::kReasoning: return {{"reasoning_content", delta.text}};
      case AnswerDelta::Kind::kCall: {
        json::object call = begun_call(delta.text, "");
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

  json::object message_json(const WholeChoice& choice) const {
    const std::string content = echo() + choice.content;
    json::object message;
    message["role"] = style_.role;
    message["content"] =
        content.empty() && !choice.calls.empty() ? json::value(nullptr) : json::value(content);
    if (!choice.reasoning.empty()) message["reasoning_content"] = choice.reasoning;
    json::array calls;
    for (const WholeChoice::Call& call : choice.calls) {
      calls.push_back(begun_call(call.name, call.arguments));
    }
    if (!calls.empty()) message["tool_calls"] = std::move(calls);
    message["refusal"] = nullptr;
    return message;
  }

  void append_choices(std::string& out, const std::vector<WholeChoice>& choices) const {
    out += '[';
    for (size_t i = 0; i < choices.size(); ++i) {
      const WholeChoice& choice = choices[i];
      json::object object;
      object["index"] = static_cast<int64_t>(i);
      object["message"] = message_json(choice);
      object["finish_reason"] = finish_reason_json(choice.end);
      object["stop_reason"] = stop_reason_json(choice.end);
      if (facts_.options.return_token_ids) object["token_ids"] = ids_json(choice.tokens);
      if (i > 0) out += ',';
      append_choice(out, object, facts_.options.logprobs ? &choice.logprobs : nullptr);
    }
    out += ']';
  }

  void append_choice(std::string& out, const json::object& choice,
                     const std::vector<PositionLogprobs>* positions) const {
    out += dump(choice);
    add_member(out, "logprobs", [&](std::string& text) {
      if (positions == nullptr) {
        text += "null";
      } else {
        append_chat_logprobs(text, backend(), *positions);
      }
    });
  }
  std::string choice_text(const json::object& choice,
                          const std::vector<PositionLogprobs>* positions = nullptr) const {
    std::string text;
    append_choice(text, choice, positions);
    return text;
  }

  json::object frame(std::string_view kind) const {
    json::object object;
    object["id"] = facts_.id;
    object["object"] = kind;
    object["created"] = facts_.created;
    object["model"] = facts_.context->model_name();
    object["system_fingerprint"] = nullptr;
    return object;
  }

  json::object choice_json(int32_t index, json::object delta) const {
    json::object choice;
    choice["index"] = index;
    choice["delta"] = std::move(delta);
    choice["finish_reason"] = nullptr;
    return choice;
  }

  // One event's text around a choice's. Without `usage`: the first of a choice.
  std::string chunk(std::string_view choice, const std::optional<Usage>& usage = {}) const {
    std::string text = dump(frame("chat.completion.chunk"));
    add_member(text, "choices", [&](std::string& out) { out.append("[").append(choice) += ']'; });
    const bool tell = facts_.options.continuous_usage && usage;
    if (facts_.options.include_usage) {
      add_member(text, "usage", tell ? json::value(usage_json(*usage)) : json::value(nullptr));
    }
    return text;
  }

  const AnswerFacts facts_;
  const ChatStyle style_;
};

}  // namespace

std::unique_ptr<AnswerFormat> chat_format(AnswerFacts facts, ChatStyle style) {
  return std::make_unique<ChatFormat>(std::move(facts), std::move(style));
}

}  // namespace autoglm::serve
