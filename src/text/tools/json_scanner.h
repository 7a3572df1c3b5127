// One JSON value, byte by byte: says where it ends and where it stops being JSON. Keeps no text.
// Control characters inside strings are let pass: models write line ends there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

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
  // Whether closing() makes a value of what came: not inside a key, a word, an escape, or a
  // character that takes two of those (a surrogate pair).
  bool can_close() const;
  // The end of a string and of all that is open.
  std::string closing() const;

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
  uint32_t unit_ = 0;        // of UTF-16, as far as its escape has come
  bool first_half_ = false;  // of a surrogate pair has just come
  std::string word_;         // a number, or what is left of a word
};

// A JSON value of which the end may never come. What cannot be closed, like a key without its
// value, is held back, so that what was given can be.
class OpenJson {
 public:
  // What can be given now. After the value's end: nothing.
  std::string feed(std::string_view text);
  bool done() const { return done_; }
  // What is held back; for who gives a value as far as it came.
  std::string take_held() { return std::exchange(held_, {}); }
  // Ends the value before what is held back; "{}" when nothing has been given.
  std::string close();

 private:
  JsonScanner scanner_;
  std::string held_;
  std::string last_closing_;  // of what has been given
  bool begun_ = false;
  bool done_ = false;
};

// JSON text in which halves of surrogate pairs that stand alone, which models write and no reader
// takes, are U+FFFD. A first half at the very end stays: the text may break off there.
std::string without_lone_surrogates(std::string_view text);

// An object that breaks off, closed; nothing when `text` is no beginning of one.
std::optional<std::string> closed_object(std::string_view text);

// Whether `text` is one JSON value, white space around it allowed.
bool is_json(std::string_view text);

// `text` inside a JSON string.
std::string json_escaped(std::string_view text);

}  // namespace autoglm::tools
