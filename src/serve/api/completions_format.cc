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

  std::string whole(const std::vector<WholeAnswer>& answers, const Usage& usage) override {
    std::string answer = dump(frame());
    add_member(answer, "choices", [&](std::string& out) {
      out += '[';
      for (size_t p = 0; p < answers.size(); ++p) {
        for (size_t i = 0; i < answers[p].choices.size(); ++i) {
          if (p + i > 0) out += ',';
          append_choice(out, p, static_cast<int32_t>(i), answers[p]);
        }
      }
      out += ']';
    });
    add_member(answer, "usage", usage_json(counted(usage)));
    return answer;
  }

  std::string begin() override { return {}; }

  std::string piece(const AnswerPiece& piece, const Usage& usage) override {
    Stream& stream = streams_[static_cast<size_t>(index_of(piece.prompt, piece.choice))];
    const bool first = !std::exchange(stream.begun, true);
    // With several choices the prompt's own log-probabilities come in the first event of choice 0.
    if (!piece.prompt_logprobs->empty()) prompt_scores_[piece.prompt] = piece.prompt_logprobs;
    json::object choice;
    choice["index"] = index_of(piece.prompt, piece.choice);
    std::string text = first ? echo(piece.prompt) : std::string();
    if (!echo_only()) text += text_of(piece);
    bool reports = !text.empty() || piece.end.reason != FinishReason::kNone;
    choice["text"] = std::move(text);
    choice["finish_reason"] = finish_reason_json(told(piece.end));
    choice["stop_reason"] = stop_reason_json(piece.end);
    if (facts_.options.return_token_ids) {
      if (first) choice["prompt_token_ids"] = ids_json(facts_.prompts[piece.prompt]);
      choice["token_ids"] = echo_only() ? json::array() : ids_json(piece.tokens);
      reports = reports || !piece.tokens.empty();
    }
    const bool has_logprobs = facts_.options.logprobs && (first || !piece.logprobs.empty());
    const bool has_prompt_logprobs = !piece.prompt_logprobs->empty() && !scores_echo();
    if (!reports && !has_logprobs && !has_prompt_logprobs) return {};
    if (has_logprobs) {
      if (first && scores_echo())
        add_prompt(stream.logprobs, piece.prompt, *prompt_scores_[piece.prompt]);
      add_answer(stream.logprobs, piece.logprobs);
    }
    std::string event_text = dump(frame());
    add_member(event_text, "choices", [&](std::string& out) {
      out += '[';
      out += dump(choice);
      add_logprobs(out, has_logprobs ? &stream.logprobs : nullptr);
      if (has_prompt_logprobs) add_prompt_logprobs(out, *piece.prompt_logprobs);
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
  // An answer that nobody sees has come to its length at once.
  ChoiceEnd told(ChoiceEnd end) const {
    if (echo_only() && end.reason != FinishReason::kNone) end.reason = FinishReason::kLength;
    return end;
  }
  Usage counted(Usage usage) const {
    if (echo_only()) usage.completion_tokens = 0;
    return usage;
  }

  void append_choice(std::string& out, size_t prompt, int32_t which,
                     const WholeAnswer& result) const {
    const WholeChoice& choice = result.choices[static_cast<size_t>(which)];
    json::object object;
    object["index"] = index_of(prompt, which);
    object["text"] = echo(prompt) + (echo_only() ? std::string() : choice.content);
    object["finish_reason"] = finish_reason_json(told(choice.end));
    object["stop_reason"] = stop_reason_json(choice.end);
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
