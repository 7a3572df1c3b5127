#include "serve/api/ollama_format.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <optional>
#include <utility>

#include "base/utf8.h"
#include "serve/api/json_text.h"
#include "serve/api/ollama_request.h"

namespace autoglm::serve {
namespace {

using Clock = std::chrono::steady_clock;

int64_t nanoseconds(Clock::duration time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
}

// "2026-11-30T12:00:00.123456789Z"
std::string now_text() {
  using std::chrono::system_clock;
  const auto now = std::chrono::floor<std::chrono::nanoseconds>(system_clock::now());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:09}Z", fmt::gmtime(system_clock::to_time_t(seconds)),
                     (now - seconds).count());
}

json::object frame(const std::string& model, bool done) {
  return {{"model", repair_utf8(model)}, {"created_at", now_text()}, {"done", done}};
}

json::object call_json(const WholeChoice::Call& call) {
  return {{"function",
           json::object{{"name", call.name}, {"arguments", arguments_json(call.arguments)}}}};
}

json::value done_reason(const ChoiceEnd& end) {
  switch (end.reason) {
    case FinishReason::kStop: return "stop";
    case FinishReason::kLength: return "length";
    case FinishReason::kNone:
    case FinishReason::kCancelled:
    case FinishReason::kError: break;
  }
  return "error";
}

class OllamaFormat : public AnswerFormat {
 public:
  OllamaFormat(AnswerFacts facts, OllamaStyle style)
      : facts_(std::move(facts)), style_(std::move(style)) {}

  std::string whole(const std::vector<WholeAnswer>& answers, const Usage& usage) override {
    const WholeChoice& choice = answers.front().choices.front();
    json::object answer = frame(style_.model, true);
    put(answer, choice.content, choice.reasoning, choice.calls);
    put_end(answer, choice.end, usage);
    return dump(answer);
  }

  std::string begin() override {
    first_piece_ = Clock::now();
    return "";
  }

  std::string piece(const AnswerPiece& piece, const Usage&) override {
    std::string lines;
    for (const AnswerDelta& delta : piece.deltas) {
      switch (delta.kind) {
        case AnswerDelta::Kind::kArguments: call_->arguments += delta.text; continue;
        case AnswerDelta::Kind::kCall:
          end_call(lines);
          call_ = WholeChoice::Call{.name = delta.text};
          continue;
        case AnswerDelta::Kind::kContent:
        case AnswerDelta::Kind::kReasoning: break;
      }
      end_call(lines);
      const bool thought = delta.kind == AnswerDelta::Kind::kReasoning;
      append_line(lines, thought ? "" : delta.text, thought ? delta.text : "", {});
    }
    if (piece.end.reason != FinishReason::kNone) {
      end_call(lines);
      end_ = piece.end;
    }
    return lines;
  }

  std::string end(const Usage& usage) override {
    json::object answer = frame(style_.model, true);
    put(answer, "", "", {});
    put_end(answer, end_, usage);
    return dump(answer) + "\n";
  }

  std::string error(const ApiError& error) override {
    return error_body(error, error_form()) + "\n";
  }
  std::string_view stream_type() const override { return "application/x-ndjson"; }
  ErrorForm error_form() const override { return ErrorForm::kOllama; }
  Error in_own_names(Error error) const override { return in_ollama_names(std::move(error)); }

 private:
  void put(json::object& answer, const std::string& content, const std::string& thoughts,
           const std::vector<WholeChoice::Call>& calls) const {
    json::object message{{"role", "assistant"}, {"content", content}};
    json::object& holder = style_.chat ? message : answer;
    if (!style_.chat) answer["response"] = content;
    if (!thoughts.empty()) holder["thinking"] = thoughts;
    json::array list;
    for (const WholeChoice::Call& call : calls) list.push_back(call_json(call));
    if (!list.empty()) holder["tool_calls"] = std::move(list);
    if (style_.chat) answer["message"] = std::move(message);
  }

  // The prompt's time is that until the first piece; of an answer that is told whole the two are
  // one.
  void put_end(json::object& answer, const ChoiceEnd& end, const Usage& usage) const {
    const Clock::time_point now = Clock::now();
    const Clock::time_point first = first_piece_.value_or(now);
    answer["done_reason"] = done_reason(end);
    answer["total_duration"] = nanoseconds(now - begun_);
    answer["load_duration"] = 0;
    answer["prompt_eval_count"] = usage.prompt_tokens;
    answer["prompt_eval_duration"] = nanoseconds(first - begun_);
    answer["eval_count"] = usage.completion_tokens;
    answer["eval_duration"] = nanoseconds(now - (first_piece_ ? first : begun_));
  }

  void append_line(std::string& lines, const std::string& content, const std::string& thoughts,
                   const std::vector<WholeChoice::Call>& calls) const {
    json::object answer = frame(style_.model, false);
    put(answer, content, thoughts, calls);
    lines += dump(answer) += '\n';
  }

  void end_call(std::string& lines) {
    if (!call_) return;
    append_line(lines, "", "", {*call_});
    call_.reset();
  }

  const AnswerFacts facts_;
  const OllamaStyle style_;
  const Clock::time_point begun_ = Clock::now();
  // Of a stream.
  std::optional<Clock::time_point> first_piece_;
  std::optional<WholeChoice::Call> call_;  // whose arguments are coming
  ChoiceEnd end_;
};

}  // namespace

std::string ollama_loaded(const OllamaStyle& style) {
  json::object answer = frame(style.model, true);
  if (style.chat) {
    answer["message"] = json::object{{"role", "assistant"}, {"content", ""}};
  } else {
    answer["response"] = "";
  }
  answer["done_reason"] = "load";
  return dump(answer);
}

std::unique_ptr<AnswerFormat> ollama_format(AnswerFacts facts, OllamaStyle style) {
  return std::make_unique<OllamaFormat>(std::move(facts), std::move(style));
}

}  // namespace autoglm::serve
