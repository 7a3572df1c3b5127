// A run of digits as people write numbers: in groups, with separators between them, in Arabic or
// Han numerals. Read once at a place; each number is then a beginning of it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

#include "guard/redact/window.h"

namespace autoglm::guard::redact {

// Between two digits of one number stand at most so many of these.
inline constexpr size_t kMostSeparators = 2;
bool is_separator(char32_t code);

struct Digits {
  static constexpr size_t kMost = 20;  // a card has 19
  std::array<uint8_t, kMost> value{};
  std::array<uint8_t, kMost> at{};   // its unit, from the window's place
  std::array<uint8_t, kMost> gap{};  // separators before it
  size_t n = 0;
  bool cut = false;   // another digit follows the last
  size_t n_han = 0;   // so many of them are Han numerals
  char32_t next = 0;  // the unit behind the last digit

  // Whether the first `length` are a number of their own: there are so many, and no digit follows.
  bool may_end(size_t length) const { return length < n ? gap[length] > 0 : length == n && !cut; }
  size_t units(size_t length) const { return size_t{at[length - 1]} + 1; }
  uint64_t number(size_t from, size_t length) const;

  enum class Grouping : uint8_t { kWhole, kSpaced, kGroups };
  // kSpaced: each digit stands alone.
  Grouping grouping(size_t from, size_t length) const;
  bool grouped_as(size_t from, std::initializer_list<uint8_t> groups) const;
};

// `from`: the unit that the run begins at.
Digits read_digits(const Window& window, size_t from, size_t most = Digits::kMost);

// Luhn's check over the first digits.
bool luhn(const Digits& digits, size_t length);
// Of the proleptic Gregorian calendar.
bool is_date(uint64_t year, uint64_t month, uint64_t day);
// The first two digits of a resident ID: a province that there is.
bool is_province(uint64_t code);

// Numbers of single countries (numbers_world.cc): cards, phones, identifiers.
void recognize_world_numbers(const Window& window, const Digits& digits, class Offers& offers);
void recognize_phone(const Window& window, class Offers& offers);

}  // namespace autoglm::guard::redact
