// text_completion, whole and in chunks. The index of a choice is prompt * n + choice.
#include <utility>

#include "serve/api/answer_format.h"
#include "serve/api/json_text.h"

namespace autoglm::serve {
namespace {

class CompletionsFormat : public AnswerFormat {
 public:
  explicit CompletionsFormat(AnswerFacts facts) : facts_(std::move(facts)) {
    const size_t n_choices = facts_.prompts.size() * facts_.options.sampling.n;
    for (size_t i = 0; i < n_choices; ++i) {
      streams_.push_back({CompletionLogprobs(backend(), 0), false});
    }
  }

  std::string whole(const std::vector<GenerationResult>& results, const Usage& usage) override {
    std::string answer = dump(frame());
    add_member(answer, "choices", [&](std::string& out) {
      out += '[';
      for (size_t p = 0; p < results.size(); ++p) {
        for (size_t i = 0; i < results[p].choices.size(); ++i) {
          if (p + i > 0) out += ',';
          append_choice(out, p, static_cast<int32_t>(i), results[p]);
        }
      }
      out += ']';
    });
    add_member(answer, "usage", usage_json(counted(usage)));
    return answer;
  }

  std::string begin() override { return {}; }

  std::string piece(size_t prompt, const GenerationEvent& event, const Usage& usage) override {
    Stream& stream = streams_[static_cast<size_t>(index_of(prompt, event.choice))];
    const bool first = !std::exchange(stream.begun, true);
    // With several choices the prompt's own log-probabilities come in the first event of choice 0.
    if (!event.prompt_logprobs->empty()) prompt_scores_[prompt] = event.prompt_logprobs;
    json::object choice;
    choice["index"] = index_of(prompt, event.choice);
    std::string text = first ? echo(prompt) : std::string();
    if (!echo_only()) text += event.text;
    bool reports = !text.empty() || event.finish_reason != FinishReason::kNone;
    choice["text"] = std::move(text);
    choice["finish_reason"] = finish_reason_json(
        echo_only() && event.finish_reason != FinishReason::kNone ? FinishReason::kLength
                                                                  : event.finish_reason);
    choice["stop_reason"] = stop_reason_json(event.stop_reason, event.stop_token);
    if (facts_.options.return_token_ids) {
      if (first) choice["prompt_token_ids"] = ids_json(facts_.prompts[prompt]);
      choice["token_ids"] = echo_only() ? json::array() : ids_json(event.tokens);
      reports = reports || !event.tokens.empty();
    }
    const bool has_logprobs = facts_.options.logprobs && (first || !event.logprobs.empty());
    const bool has_prompt_logprobs = !event.prompt_logprobs->empty() && !scores_echo();
    if (!reports && !has_logprobs && !has_prompt_logprobs) return {};
    if (has_logprobs) {
      if (first && scores_echo()) add_prompt(stream.logprobs, prompt, *prompt_scores_[prompt]);
      add_answer(stream.logprobs, event.logprobs);
    }
    std::string event_text = dump(frame());
    add_member(event_text, "choices", [&](std::string& out) {
      out += '[';
      out += dump(choice);
      add_logprobs(out, has_logprobs ? &stream.logprobs : nullptr);
      if (has_prompt_logprobs) add_prompt_logprobs(out, *event.prompt_logprobs);
      out += ']';
    });
    if (facts_.options.include_usage) {
      add_member(event_text, "usage",
                 facts_.options.continuous_usage ? json::value(usage_json(counted(usage)))
                                                 : json::value(nullptr));
    }
    return sse(event_text);
  }

  std::string end(const Usage& usage) override {
    std::string events;
    if (facts_.options.include_usage) {
      json::object object = frame();
      object["choices"] = json::array();
      object["usage"] = usage_json(counted(usage));
      events += sse(object);
    }
    events += kSseDone;
    return events;
  }

 private:
  struct Stream {
    CompletionLogprobs logprobs;
    bool begun = false;
  };

  const ModelBackend& backend() const { return *facts_.context->backend; }
  // max_tokens 0: the engine was asked for one token, because it gives no fewer; nobody sees it.
  bool echo_only() const { return facts_.options.sampling.max_tokens == 0; }
  bool scores_echo() const { return facts_.options.echo && facts_.options.logprobs; }
  int64_t index_of(size_t prompt, int32_t choice) const {
    return static_cast<int64_t>(prompt) * facts_.options.sampling.n + choice;
  }
  std::string echo(size_t prompt) const {
    return facts_.echo_texts.empty() ? std::string() : facts_.echo_texts[prompt];
  }
  Usage counted(Usage usage) const {
    if (echo_only()) usage.completion_tokens = 0;
    return usage;
  }

  void append_choice(std::string& out, size_t prompt, int32_t which,
                     const GenerationResult& result) const {
    const Choice& choice = result.choices[static_cast<size_t>(which)];
    json::object object;
    object["index"] = index_of(prompt, which);
    object["text"] = echo(prompt) + (echo_only() ? std::string() : choice.text);
    object["finish_reason"] =
        finish_reason_json(echo_only() ? FinishReason::kLength : choice.finish_reason);
    object["stop_reason"] = stop_reason_json(choice.stop_reason, choice.stop_token);
    if (facts_.options.return_token_ids) {
      object["token_ids"] = echo_only() ? json::array() : ids_json(choice.tokens);
      object["prompt_token_ids"] = ids_json(facts_.prompts[prompt]);
    }
    out += dump(object);
    CompletionLogprobs list(backend(), 0);
    if (facts_.options.logprobs) {
      if (scores_echo()) add_prompt(list, prompt, *result.prompt_logprobs);
      add_answer(list, choice.logprobs);
    }
    add_logprobs(out, facts_.options.logprobs ? &list : nullptr);
    if (facts_.options.sampling.prompt_logprobs && !scores_echo()) {
      add_prompt_logprobs(out, *result.prompt_logprobs);
    }
  }

  // Both to the choice that `text` ends with.
  static void add_logprobs(std::string& text, CompletionLogprobs* list) {
    add_member(text, "logprobs", [&](std::string& out) {
      if (list == nullptr) {
        out += "null";
      } else {
        list->append_to(out);
      }
    });
  }
  void add_prompt_logprobs(std::string& text, const PromptLogprobs& positions) const {
    add_member(text, "prompt_logprobs",
               [&](std::string& out) { append_prompt_logprobs(out, backend(), positions); });
  }

  void add_prompt(CompletionLogprobs& list, size_t prompt, const PromptLogprobs& scores) const {
    const std::vector<TokenId>& ids = facts_.prompts[prompt];
    for (size_t i = 0; i < ids.size(); ++i) {
      if (i < scores.size() && scores[i]) {
        list.add(*scores[i]);
      } else {
        list.add_unscored(ids[i]);
      }
    }
  }
  void add_answer(CompletionLogprobs& list, const std::vector<PositionLogprobs>& positions) const {
    if (echo_only()) return;
    for (const PositionLogprobs& position : positions) list.add(position);
  }

  json::object frame() const {
    json::object object;
    object["id"] = facts_.id;
    object["object"] = "text_completion";
    object["created"] = facts_.created;
    object["model"] = facts_.context->model_name();
    object["system_fingerprint"] = nullptr;
    return object;
  }

  const AnswerFacts facts_;
  std::vector<Stream> streams_;
  std::map<size_t, Shared<PromptLogprobs>> prompt_scores_;
};

}  // namespace

std::unique_ptr<AnswerFormat> completions_format(AnswerFacts facts) {
  return std::make_unique<CompletionsFormat>(std::move(facts));
}

}  // namespace autoglm::serve
