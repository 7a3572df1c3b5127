// Reading what a person types at a terminal, a message at a time: arrows, history, letters of two
// columns, and pastes of several lines, which are one message (libedit; decision 0143).
#pragma once

#include <memory>
#include <optional>
#include <string>

namespace autoglm {

class LineEditor {
 public:
  // Standard input and output are a terminal. `prompt` outlives the editor.
  explicit LineEditor(const char* prompt);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // The next message, without the line end that sent it; nothing at the end of input: Ctrl-D or
  // Ctrl-C on an empty line. Ctrl-C on any other forgets the line.
  std::optional<std::string> read();

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace autoglm
