// The answer of POST /infer: the text at the top, everything else beside it.
#include <utility>

#include "serve/api/answer_format.h"
#include "serve/api/json_text.h"

namespace autoglm::serve {
namespace {

class InferFormat : public AnswerFormat {
 public:
  explicit InferFormat(AnswerFacts facts) : facts_(std::move(facts)) {}

  json::object whole(const std::vector<GenerationResult>& results, const Usage& usage) override {
    const GenerationResult& result = results.front();
    json::object answer;
    answer["id"] = facts_.id;
    answer["model"] = facts_.context->model_name();
    const auto write = [&](json::object& object, const Choice& choice) {
      object["text"] = echo() + choice.text;
      object["finish_reason"] = finish_reason_json(choice.finish_reason);
      object["stop_reason"] = stop_reason_json(choice.stop_reason, choice.stop_token);
      if (facts_.options.logprobs) object["logprobs"] = chat_logprobs(backend(), choice.logprobs);
      if (facts_.options.return_token_ids) object["token_ids"] = ids_json(choice.tokens);
    };
    write(answer, result.choices.front());
    if (result.choices.size() > 1) {
      json::array choices;
      for (const Choice& choice : result.choices) {
        json::object object;
        object["index"] = static_cast<int64_t>(choices.size());
        write(object, choice);
        choices.push_back(std::move(object));
      }
      answer["choices"] = std::move(choices);
    }
    if (facts_.options.sampling.prompt_logprobs) {
      answer["prompt_logprobs"] = prompt_logprobs_json(backend(), result.prompt_logprobs);
    }
    if (facts_.options.return_token_ids) {
      answer["prompt_token_ids"] = ids_json(facts_.prompts.front());
    }
    answer["usage"] = usage_json(usage);
    return answer;
  }

  std::string begin() override {
    if (echo().empty()) return {};
    return sse(json::object{{"id", facts_.id}, {"index", 0}, {"text", echo()}});
  }

  std::string piece(size_t /*prompt*/, const GenerationEvent& event, const Usage& usage) override {
    json::object object;
    object["id"] = facts_.id;
    object["index"] = event.choice;
    object["text"] = event.text;
    bool reports = !event.text.empty() || event.finish_reason != FinishReason::kNone;
    if (facts_.options.logprobs && !event.logprobs.empty()) {
      object["logprobs"] = chat_logprobs(backend(), event.logprobs);
      reports = true;
    }
    if (!event.prompt_logprobs.empty()) {
      object["prompt_logprobs"] = prompt_logprobs_json(backend(), event.prompt_logprobs);
      reports = true;
    }
    if (facts_.options.return_token_ids && !event.tokens.empty()) {
      object["token_ids"] = ids_json(event.tokens);
      reports = true;
    }
    if (!reports) return {};
    if (event.finish_reason != FinishReason::kNone) {
      object["finish_reason"] = finish_reason_json(event.finish_reason);
      object["stop_reason"] = stop_reason_json(event.stop_reason, event.stop_token);
      object["usage"] = usage_json(usage);
    }
    return sse(object);
  }

  std::string end(const Usage&) override { return std::string(kSseDone); }

 private:
  const ModelBackend& backend() const { return *facts_.context->backend; }
  std::string echo() const {
    return facts_.echo_texts.empty() ? std::string() : facts_.echo_texts.front();
  }
  const AnswerFacts facts_;
};

}  // namespace

std::unique_ptr<AnswerFormat> infer_format(AnswerFacts facts) {
  return std::make_unique<InferFormat>(std::move(facts));
}

}  // namespace autoglm::serve
