// A text as recognizers see it: units, each one character after normalization, with the bytes of
// the source that it stands for. Full-width forms become ASCII, letters of other scripts that look
// Latin become Latin, invisible characters vanish, \u0031 becomes 1. Case stays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace autoglm::guard::redact {

struct Unit {
  char32_t code = 0;
  // In the source. Units of one character share its bytes; between two units may lie bytes of
  // neither, which belong to no match unless it has both.
  uint64_t begin = 0, end = 0;
  bool in_string = true;  // false: JSON outside of its strings
};

// Behind the end of a text, and before its beginning. No unit has this code.
inline constexpr char32_t kNothing = 0xFFFFFFFF;
// Where a match may not go on: what is no UTF-8, too many invisible characters in a row.
inline constexpr char32_t kBreak = 0xFFFF;

enum class TextForm : uint8_t {
  kPlain,
  kJson,  // JSON text: what lies outside strings is marked
};

class Normalizer {
 public:
  explicit Normalizer(TextForm form) : form_(form) {}

  // Appends the units that `bytes` completes. However a text is cut, its units are the same.
  void push(std::string_view bytes, std::vector<Unit>& units);
  // The text ends: what was left incomplete is as it is.
  void finish(std::vector<Unit>& units);
  // How far the source has become units, or turned out to be invisible.
  uint64_t decided() const { return at_; }

 private:
  // How many bytes of `text` have been taken; 0: more are needed.
  size_t take(std::string_view text, bool whole, std::vector<Unit>& units);
  size_t take_escape(std::string_view text, bool whole, std::vector<Unit>& units);
  void add(char32_t code, size_t length, std::vector<Unit>& units);
  void run(std::string_view text, bool whole, std::vector<Unit>& units);

  const TextForm form_;
  std::string tail_;  // an incomplete character or escape
  uint64_t at_ = 0;   // of tail_
  int invisible_ = 0;
  bool in_string_ = false;
};

// The digit that a unit is in a run of Han numerals (一 二 〇, 壹 贰, and those of radio: 幺 两
// 洞); -1: none.
int han_digit(char32_t code);

}  // namespace autoglm::guard::redact
