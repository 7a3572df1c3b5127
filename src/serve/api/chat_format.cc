// chat.completion and chat.completion.chunk.
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

  json::object whole(const std::vector<GenerationResult>& results, const Usage& usage) override {
    const GenerationResult& result = results.front();
    json::array choices;
    for (size_t i = 0; i < result.choices.size(); ++i) {
      const Choice& choice = result.choices[i];
      json::object message = messages_[i].whole(
          choice.text, {choice.finish_reason, choice.stop_reason.has_value()}, echo());
      message["role"] = role_;
      message["refusal"] = nullptr;
      json::object object;
      object["index"] = static_cast<int64_t>(i);
      object["message"] = std::move(message);
      object["logprobs"] = logprobs(choice.logprobs);
      object["finish_reason"] = messages_[i].finish_reason(choice.finish_reason);
      object["stop_reason"] = stop_reason_json(choice.stop_reason, choice.stop_token);
      if (facts_.options.return_token_ids) object["token_ids"] = ids_json(choice.tokens);
      choices.push_back(std::move(object));
    }
    json::object answer = frame("chat.completion");
    answer["choices"] = std::move(choices);
    answer["usage"] = usage_json(usage);
    if (facts_.options.sampling.prompt_logprobs) {
      answer["prompt_logprobs"] = prompt_logprobs_json(backend(), result.prompt_logprobs);
    }
    if (facts_.options.return_token_ids) {
      answer["prompt_token_ids"] = ids_json(facts_.prompts.front());
    }
    return answer;
  }

  std::string begin() override {
    std::string events;
    for (int32_t i = 0; i < facts_.options.sampling.n; ++i) {
      json::object delta{{"role", role_}, {"content", echo()}, {"refusal", nullptr}};
      json::object first = chunk(i, std::move(delta), nullptr);
      if (facts_.options.return_token_ids && i == 0) {
        first["prompt_token_ids"] = ids_json(facts_.prompts.front());
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
    const bool has_prompt_logprobs = !event.prompt_logprobs.empty();
    std::vector<json::object> deltas =
        message.deltas(event.text, {event.finish_reason, event.stop_reason.has_value()});
    if (deltas.empty() && (has_logprobs || has_ids || has_prompt_logprobs)) {
      deltas.push_back({{"content", ""}});
    }
    for (size_t i = 0; i < deltas.size(); ++i) {
      // What belongs to the tokens goes with the first delta that they gave.
      const bool first = i == 0;
      json::object object =
          chunk(event.choice, std::move(deltas[i]),
                first && has_logprobs ? logprobs(event.logprobs) : json::value(nullptr));
      if (first && has_ids) {
        object["choices"].at(0).as_object()["token_ids"] = ids_json(event.tokens);
      }
      if (first && has_prompt_logprobs) {
        object["prompt_logprobs"] = prompt_logprobs_json(backend(), event.prompt_logprobs);
      }
      add_usage(object, usage);
      events += sse(object);
    }
    if (event.finish_reason != FinishReason::kNone) {
      json::object object = chunk(event.choice, {}, nullptr);
      json::object& choice = object["choices"].at(0).as_object();
      choice["finish_reason"] = message.finish_reason(event.finish_reason);
      choice["stop_reason"] = stop_reason_json(event.stop_reason, event.stop_token);
      add_usage(object, usage);
      events += sse(object);
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

  json::value logprobs(const std::vector<PositionLogprobs>& positions) const {
    if (!facts_.options.logprobs) return nullptr;
    return chat_logprobs(backend(), positions);
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

  json::object chunk(int32_t index, json::object delta, json::value logprobs) const {
    json::object choice;
    choice["index"] = index;
    choice["delta"] = std::move(delta);
    choice["logprobs"] = std::move(logprobs);
    choice["finish_reason"] = nullptr;
    json::object object = frame("chat.completion.chunk");
    object["choices"] = json::array{std::move(choice)};
    if (facts_.options.include_usage) object["usage"] = nullptr;
    return object;
  }

  void add_usage(json::object& object, const Usage& usage) const {
    if (facts_.options.continuous_usage) object["usage"] = usage_json(usage);
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
