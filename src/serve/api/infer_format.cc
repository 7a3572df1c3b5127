// The answer of POST /infer: the text at the top, everything else beside it.
#include <utility>

#include "serve/api/answer_format.h"
#include "serve/api/json_text.h"

namespace autoglm::serve {
namespace {

class InferFormat : public AnswerFormat {
 public:
  explicit InferFormat(AnswerFacts facts) : facts_(std::move(facts)) {}

  std::string whole(const std::vector<WholeAnswer>& answers, const Usage& usage) override {
    const WholeAnswer& result = answers.front();
    const json::object named{{"id", facts_.id}, {"model", facts_.context->model_name()}};
    std::string answer;
    append_choice(answer, named, result.choices.front());
    if (result.choices.size() > 1) {
      add_member(answer, "choices", [&](std::string& out) {
        for (size_t i = 0; i < result.choices.size(); ++i) {
          out += i == 0 ? '[' : ',';
          append_choice(out, {{"index", static_cast<int64_t>(i)}}, result.choices[i]);
        }
        out += ']';
      });
    }
    if (facts_.options.sampling.prompt_logprobs) {
      add_member(answer, "prompt_logprobs", [&](std::string& out) {
        append_prompt_logprobs(out, backend(), *result.prompt_logprobs);
      });
    }
    if (facts_.options.return_token_ids) {
      add_member(answer, "prompt_token_ids", ids_json(facts_.prompts.front()));
    }
    add_member(answer, "usage", usage_json(usage));
    return answer;
  }

  std::string begin() override {
    if (echo().empty()) return {};
    return sse(json::object{{"id", facts_.id}, {"index", 0}, {"text", echo()}});
  }

  std::string piece(const AnswerPiece& piece, const Usage& usage) override {
    json::object object;
    object["id"] = facts_.id;
    object["index"] = piece.choice;
    std::string text = text_of(piece);
    bool reports = !text.empty() || piece.end.reason != FinishReason::kNone;
    object["text"] = std::move(text);
    const bool has_logprobs = facts_.options.logprobs && !piece.logprobs.empty();
    const bool has_prompt_logprobs = !piece.prompt_logprobs->empty();
    reports = reports || has_logprobs || has_prompt_logprobs;
    if (facts_.options.return_token_ids && !piece.tokens.empty()) {
      object["token_ids"] = ids_json(piece.tokens);
      reports = true;
    }
    if (!reports) return {};
    if (piece.end.reason != FinishReason::kNone) {
      object["finish_reason"] = finish_reason_json(piece.end);
      object["stop_reason"] = stop_reason_json(piece.end);
      object["usage"] = usage_json(usage);
    }
    std::string answer = dump(object);
    if (has_logprobs) add_logprobs(answer, piece.logprobs);
    if (has_prompt_logprobs) {
      add_member(answer, "prompt_logprobs", [&](std::string& out) {
        append_prompt_logprobs(out, backend(), *piece.prompt_logprobs);
      });
    }
    return sse(answer);
  }

  std::string end(const Usage&) override { return std::string(kSseDone); }

 private:
  const ModelBackend& backend() const { return *facts_.context->backend; }
  std::string echo() const {
    return facts_.echo_texts.empty() ? std::string() : facts_.echo_texts.front();
  }
  // `named`: what the object says before the choice.
  void append_choice(std::string& out, json::object named, const WholeChoice& choice) const {
    named["text"] = echo() + choice.content;
    named["finish_reason"] = finish_reason_json(choice.end);
    named["stop_reason"] = stop_reason_json(choice.end);
    if (facts_.options.return_token_ids) named["token_ids"] = ids_json(choice.tokens);
    out += dump(named);
    if (facts_.options.logprobs) add_logprobs(out, choice.logprobs);
  }
  // To the object that `text` ends with.
  void add_logprobs(std::string& text, const std::vector<PositionLogprobs>& positions) const {
    add_member(text, "logprobs",
               [&](std::string& out) { append_chat_logprobs(out, backend(), positions); });
  }

  const AnswerFacts facts_;
};

}  // namespace

std::unique_ptr<AnswerFormat> infer_format(AnswerFacts facts) {
  return std::make_unique<InferFormat>(std::move(facts));
}

}  // namespace autoglm::serve
