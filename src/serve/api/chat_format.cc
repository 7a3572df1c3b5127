// chat.completion and chat.completion.chunk.
#include <optional>
#include <utility>

#include "serve/api/answer_format.h"
#include "serve/api/chat_message.h"
#include "serve/api/json_text.h"

namespace autoglm::serve {
namespace {

class ChatFormat : public AnswerFormat {
 public:
  ChatFormat(AnswerFacts facts, std::string role, ChatReading reading)
      : facts_(std::move(facts)), role_(std::move(role)), reading_(std::move(reading)) {
    for (int32_t i = 0; i < facts_.options.sampling.n; ++i) messages_.emplace_back(reading_);
  }

  std::string whole(const std::vector<GenerationResult>& results, const Usage& usage) override {
    const GenerationResult& result = results.front();
    std::string answer = dump(frame("chat.completion"));
    add_member(answer, "choices", [&](std::string& out) { append_choices(out, result); });
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
      json::object delta{{"role", role_}, {"content", echo()}, {"refusal", nullptr}};
      std::string first = chunk(choice_text(choice_json(i, std::move(delta))));
      if (facts_.options.return_token_ids && i == 0) {
        add_member(first, "prompt_token_ids", ids_json(facts_.prompts.front()));
      }
      events += sse(first);
    }
    return events;
  }

  std::string piece(size_t /*prompt*/, const GenerationEvent& event, const Usage& usage) override {
    std::string events;
    ChatMessage& message = messages_[static_cast<size_t>(event.choice)];
    const bool has_logprobs = facts_.options.logprobs && !event.logprobs.empty();
    const bool has_ids = facts_.options.return_token_ids && !event.tokens.empty();
    const bool has_prompt_logprobs = !event.prompt_logprobs->empty();
    std::vector<json::object> deltas =
        message.deltas(event.text, {event.finish_reason, event.stop_reason && !event.stop_token});
    if (deltas.empty() && (has_logprobs || has_ids || has_prompt_logprobs)) {
      deltas.push_back({{"content", ""}});
    }
    for (size_t i = 0; i < deltas.size(); ++i) {
      // What belongs to the tokens goes with the first delta that they gave.
      const bool first = i == 0;
      json::object object = choice_json(event.choice, std::move(deltas[i]));
      if (first && has_ids) object["token_ids"] = ids_json(event.tokens);
      std::string text =
          chunk(choice_text(object, first && has_logprobs ? &event.logprobs : nullptr), usage);
      if (first && has_prompt_logprobs) {
        add_member(text, "prompt_logprobs", [&](std::string& out) {
          append_prompt_logprobs(out, backend(), *event.prompt_logprobs);
        });
      }
      events += sse(text);
    }
    if (event.finish_reason != FinishReason::kNone) {
      json::object choice = choice_json(event.choice, {});
      choice["finish_reason"] = message.finish_reason(event.finish_reason);
      choice["stop_reason"] = stop_reason_json(event.stop_reason, event.stop_token);
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

  void append_choices(std::string& out, const GenerationResult& result) {
    out += '[';
    for (size_t i = 0; i < result.choices.size(); ++i) {
      const Choice& choice = result.choices[i];
      json::object message = messages_[i].whole(
          choice.text, {choice.finish_reason, choice.stop_reason && !choice.stop_token}, echo());
      message["role"] = role_;
      message["refusal"] = nullptr;
      json::object object;
      object["index"] = static_cast<int64_t>(i);
      object["message"] = std::move(message);
      object["finish_reason"] = messages_[i].finish_reason(choice.finish_reason);
      object["stop_reason"] = stop_reason_json(choice.stop_reason, choice.stop_token);
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
  const std::string role_;
  const ChatReading reading_;
  std::vector<ChatMessage> messages_;  // one a choice
};

}  // namespace

std::unique_ptr<AnswerFormat> chat_format(AnswerFacts facts, std::string role,
                                          ChatReading reading) {
  return std::make_unique<ChatFormat>(std::move(facts), std::move(role), std::move(reading));
}

}  // namespace autoglm::serve
