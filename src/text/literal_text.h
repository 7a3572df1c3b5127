// Words of a conversation that look like special tokens without being any. A
// template puts them into one text with the tokens that it writes itself; so
// that a user's "<|assistant|>" opens no turn, they are marked before and found
// again behind it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/tokenizer.h"

namespace autoglm {

class LiteralText {
 public:
  // The special tokens of that vocabulary.
  explicit LiteralText(const Tokenizer& tokenizer);

  // Marks them in the contents of all messages of `context` but the system's
  // and the assistant's: those are the operator's words, and the model's. Gives
  // the mark; empty when there was nothing.
  std::string mark(json::object& context) const;

  // Takes the marks out of a rendered text; gives the places, in bytes, where
  // the words begin.
  static std::vector<size_t> unmark(std::string& text, std::string_view mark);

 private:
  // Whether some text of the value looks so; with a mark, it is put in.
  bool visit(json::value& value, std::string_view mark) const;
  size_t length_at(std::string_view text, size_t at) const;

  std::vector<std::string> spellings_;  // sorted
  size_t longest_ = 0;
};

}  // namespace autoglm
