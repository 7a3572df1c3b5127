// One JSON value, byte by byte: says where it ends and where it stops being JSON. Keeps no text.
// Control characters inside strings are let pass: models write line ends there.
#pragma once

#include <cstdint>
#include <string>

namespace autoglm::tools {

class JsonScanner {
 public:
  enum class Step {
    kMore,
    kDone,        // this byte was the value's last
    kDoneBefore,  // the value (a number) had ended before this byte, which is not part of it
    kBad,         // no JSON
  };
  // White space before the value is part of it. Not to be called after kDone or kBad.
  Step feed(char c);
  bool in_string() const { return state_ == State::kString || state_ == State::kEscape; }

 private:
  enum class State {
    kValue,      // one must come
    kFirstItem,  // of an array: a value or ']'
    kFirstKey,   // of an object: a key or '}'
    kKey,        // a key must come
    kColon,
    kAfterValue,  // ',' or the container's end
    kString,
    kEscape,
    kUnicode,
    kNumber,
    kWord,  // true, false, null
  };
  Step value(char c);
  Step end_value();
  Step end_container(char opened);
  Step end_number(char c);

  State state_ = State::kValue;
  std::string open_;  // '{' and '['
  bool is_key_ = false;
  int digits_left_ = 0;
  std::string word_;  // a number, or what is left of a word
};

// Whether `text` is one JSON value, white space around it allowed.
bool is_json(std::string_view text);

// `text` inside a JSON string.
std::string json_escaped(std::string_view text);

}  // namespace autoglm::tools
