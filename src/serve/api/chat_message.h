// The assistant's message of one choice, whole or in deltas: content, reasoning_content and
// tool_calls in OpenAI's shapes, from the text as it comes.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/generation.h"
#include "autoglm/tools.h"
#include "base/json.h"
#include "serve/api/answer_format.h"
#include "serve/api/chat_reading.h"

namespace autoglm::serve {

class ChatMessage {
 public:
  // `reading` must outlive it.
  explicit ChatMessage(const ChatReading& reading);

  // How the engine's answer has ended; nothing while it goes on.
  struct Ending {
    FinishReason reason = FinishReason::kNone;
    bool by_stop_text = false;
  };

  // {"content", "reasoning_content", "tool_calls"} of the whole answer. `echo` stands before the
  // content.
  json::object whole(std::string_view text, Ending ending, std::string_view echo);
  // What some more text adds.
  std::vector<json::object> deltas(std::string_view text, Ending ending);
  // "tool_calls" where the answer ends by itself after calls, or by a stop text behind whole ones.
  // After all text has been given.
  json::value finish_reason(FinishReason reason) const;

 private:
  std::vector<AnswerDelta> read(std::string_view text, Ending ending);
  bool wanted(const AnswerDelta& delta) const;
  json::object delta_json(const AnswerDelta& delta) const;
  json::object begun_call(const std::string& name) const;

  const ChatReading* reading_;
  std::unique_ptr<AnswerReader> reader_;
  bool has_calls_ = false;
  bool has_left_out_calls_ = false;  // so that the one that is given is whole
};

}  // namespace autoglm::serve
