// What a recognizer sees: the units from one place on, and those shortly before. A recognizer that
// looks behind what has come has no answer yet, whatever it returns: the window remembers the look.
// So an answer that counts depends on nothing that may still come, and no way to cut a text changes
// it (docs/decisions/0202-a-look-behind-the-end-is-no-answer.md).
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "guard/redact/units.h"

namespace autoglm::guard::redact {

class Window {
 public:
  // So many units before the place are seen, however many there are.
  static constexpr size_t kHistory = 64;

  Window(const std::vector<Unit>& units, size_t at, bool whole)
      : units_(units), at_(at), whole_(whole) {}

  char32_t operator[](size_t i) const {
    if (at_ + i < units_.size()) return units_[at_ + i].code;
    looked_behind_ |= !whole_;
    return kNothing;
  }
  // `i` from 1 on.
  char32_t before(size_t i = 1) const {
    return i <= kHistory && i <= at_ ? units_[at_ - i].code : kNothing;
  }
  bool in_string() const { return units_[at_].in_string; }
  // It has to be asked again when more has come.
  bool looked_behind() const { return looked_behind_; }

  // Whether this ASCII text stands there, letters in any case if `word` has them small.
  bool has(size_t i, std::string_view word) const;

 private:
  const std::vector<Unit>& units_;
  const size_t at_;
  const bool whole_;
  mutable bool looked_behind_ = false;
};

constexpr bool is_digit(char32_t c) { return c >= U'0' && c <= U'9'; }
constexpr bool is_upper(char32_t c) { return c >= U'A' && c <= U'Z'; }
constexpr char32_t lower(char32_t c) { return is_upper(c) ? c + 32 : c; }
constexpr char32_t upper(char32_t c) { return c >= U'a' && c <= U'z' ? c - 32 : c; }
constexpr bool is_letter(char32_t c) { return lower(c) >= U'a' && lower(c) <= U'z'; }
constexpr bool is_alnum(char32_t c) { return is_digit(c) || is_letter(c); }
constexpr bool is_hex(char32_t c) { return is_digit(c) || (lower(c) >= U'a' && lower(c) <= U'f'); }
constexpr bool is_han(char32_t c) { return c >= 0x3400 && c <= 0x9FFF; }
constexpr bool is_space(char32_t c) { return c == U' ' || c == U'\t' || c == U'\n' || c == U'\r'; }

inline bool Window::has(size_t i, std::string_view word) const {
  for (const char c : word) {
    const auto wanted = static_cast<char32_t>(c);
    const char32_t there = (*this)[i++];
    if (there != wanted && lower(there) != wanted) return false;
  }
  return true;
}

}  // namespace autoglm::guard::redact
