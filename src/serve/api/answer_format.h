// How an answer is written down as JSON: one implementation a dialect. Called where answers are
// written, one after the other: whole() alone, or begin(), pieces and end() for a stream.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "autoglm/generation.h"
#include "base/json.h"
#include "serve/api/errors.h"
#include "serve/api/generation_sink.h"
#include "serve/api/json_text.h"
#include "serve/api/sampling.h"
#include "serve/context.h"

namespace autoglm::serve {

// What all formats know of their request.
struct AnswerFacts {
  const ServiceContext* context = nullptr;
  std::string id;
  int64_t created = 0;
  AnswerOptions options;
  std::vector<std::vector<TokenId>> prompts;  // ids
  // Text that `echo` puts before each prompt's answers; one a prompt, or none.
  std::vector<std::string> echo_texts;
};

// The pieces of one choice, put together.
struct WholeChoice {
  std::string content;
  std::string reasoning;
  struct Call {
    std::string name;
    std::string arguments;
  };
  std::vector<Call> calls;
  std::vector<TokenId> tokens;
  std::vector<PositionLogprobs> logprobs;
  ChoiceEnd end;
};

// Of one prompt.
struct WholeAnswer {
  std::vector<WholeChoice> choices;
  Shared<PromptLogprobs> prompt_logprobs;

  void add(AnswerPiece piece);
  size_t size() const;  // what its text takes to write, in scores
};

class AnswerFormat {
 public:
  virtual ~AnswerFormat() = default;
  // `answers`: one a prompt. `usage`: over all of them.
  // JSON text.
  virtual std::string whole(const std::vector<WholeAnswer>& answers, const Usage& usage) = 0;
  // Each returns whole events of the stream, or nothing.
  virtual std::string begin() = 0;
  virtual std::string piece(const AnswerPiece& piece, const Usage& usage) = 0;
  virtual std::string end(const Usage& usage) = 0;
  // In place of end(): OpenAI's, unless a dialect has its own.
  virtual std::string error(const ApiError& error);
  virtual std::string_view stream_type() const { return "text/event-stream; charset=utf-8"; }
  // Of an error that comes before the stream has begun, or in place of the whole answer.
  virtual ErrorForm error_form() const { return ErrorForm::kOpenAi; }
  // An error about OpenAI's fields, as one about those that the client has sent.
  virtual Error in_own_names(Error error) const { return error; }
};

struct ChatStyle {
  std::string role = "assistant";
  bool short_ids = false;       // of calls: nine letters and digits, as Mistral's templates demand
  bool cut_to_context = false;  // the answer may be shorter than asked, for lack of room
};
std::unique_ptr<AnswerFormat> chat_format(AnswerFacts facts, ChatStyle style);
std::unique_ptr<AnswerFormat> messages_format(AnswerFacts facts, const ChatStyle& style);
std::unique_ptr<AnswerFormat> completions_format(AnswerFacts facts);
std::unique_ptr<AnswerFormat> infer_format(AnswerFacts facts);

// "data: ...\n\n"
std::string sse(std::string_view json);
inline std::string sse(const json::value& value) { return sse(dump(value)); }
inline constexpr std::string_view kSseDone = "data: [DONE]\n\n";

json::object usage_json(const Usage& usage);
// OpenAI's words: "stop", "length" and "tool_calls"; "error" for an answer that was cut off; null
// while it goes on.
json::value finish_reason_json(const ChoiceEnd& end);
// The stop string, the stop token's id as a number, or null.
json::value stop_reason_json(const ChoiceEnd& end);
// A call's arguments as the object that they spell. Those of a call that was cut off spell none,
// and stand in {"INVALID_JSON": ...}, as Anthropic's guide to streams of arguments has it.
json::object arguments_json(const std::string& arguments);
// Of a piece that was not taken apart.
std::string text_of(const AnswerPiece& piece);
json::array ids_json(const std::vector<TokenId>& ids);

// [{"token", "logprob", "bytes", "top_logprobs"}]
void append_token_logprobs(std::string& out, const ModelBackend& backend,
                           const std::vector<PositionLogprobs>& positions);
// The chat form: {"content": [{"token", "logprob", "bytes", "top_logprobs"}], "refusal": null}.
void append_chat_logprobs(std::string& out, const ModelBackend& backend,
                          const std::vector<PositionLogprobs>& positions);
// vLLM's form of prompt_logprobs: null or {"id": {"logprob", "rank", "decoded_token"}} a position.
void append_prompt_logprobs(std::string& out, const ModelBackend& backend,
                            const PromptLogprobs& positions);

// The completions form: parallel lists, as text. Grows as tokens come; `offset` counts the
// characters so far.
class CompletionLogprobs {
 public:
  CompletionLogprobs(const ModelBackend& backend, int64_t offset)
      : backend_(&backend), offset_(offset) {}
  void add(const PositionLogprobs& position);
  void add_unscored(TokenId id);     // the first token of an echoed prompt
  void append_to(std::string& out);  // and begin the next lists where these end

 private:
  std::string spelled(TokenId id) const;
  void add_token(TokenId id);

  const ModelBackend* backend_;
  int64_t offset_;
  std::string tokens_, logprobs_, top_, offsets_;  // items, with commas between them
};

}  // namespace autoglm::serve
