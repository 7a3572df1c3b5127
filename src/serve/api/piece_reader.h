// Takes the text of one choice apart as it comes: content, reasoning and calls, less what the
// request does not want to see.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "autoglm/generation.h"
#include "autoglm/tools.h"
#include "serve/api/chat_reading.h"
#include "serve/api/generation_sink.h"

namespace autoglm::serve {

class PieceReader {
 public:
  // `reading` must outlive it.
  explicit PieceReader(const ChatReading& reading);

  // What an event of this choice adds. `prompt`: which of the request's it belongs to.
  AnswerPiece read(size_t prompt, GenerationEvent event);

 private:
  std::vector<AnswerDelta> deltas(std::string text, const ChoiceEnd& end);
  bool wanted(const AnswerDelta& delta) const;
  bool ends_with_calls() const;

  const ChatReading* reading_;
  std::unique_ptr<AnswerReader> reader_;
  bool has_calls_ = false;
  bool has_left_out_calls_ = false;  // so that the one that is given is whole
};

}  // namespace autoglm::serve
