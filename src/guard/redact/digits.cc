#include "guard/redact/digits.h"

#include <algorithm>

namespace autoglm::guard::redact {

bool is_separator(char32_t code) {
  switch (code) {
    case U' ':
    case U'\t':
    case U'\n':
    case U'\r':
    case U'-':
    case U'.':
    case U'_':
    case U'/':
    case U'*':
    case U',':
    case U'(':
    case U')':
    case U'[':
    case U']':
    case U'·':
    case U'・':
    case U':':
    case U'\u2022':
    case U'\u3001': return true;
    default: return false;
  }
}

namespace {

int digit_of(char32_t code) {
  return is_digit(code) ? static_cast<int>(code - U'0') : han_digit(code);
}

}  // namespace

Digits read_digits(const Window& window, size_t from, size_t most) {
  Digits digits;
  size_t i = from;
  size_t gap = 0;
  for (;;) {
    const char32_t code = window[i];
    const int value = digit_of(code);
    if (value >= 0) {
      if (digits.n == most) {
        digits.cut = gap == 0;
        break;
      }
      digits.value[digits.n] = static_cast<uint8_t>(value);
      digits.at[digits.n] = static_cast<uint8_t>(i);
      digits.gap[digits.n] = static_cast<uint8_t>(gap);
      ++digits.n;
      if (!is_digit(code)) ++digits.n_han;
      gap = 0;
    } else if (digits.n > 0 && gap < kMostSeparators && is_separator(code)) {
      if (digits.n == most && gap == 0) break;
      ++gap;
    } else {
      break;
    }
    ++i;
  }
  if (digits.n > 0) digits.next = window[size_t{digits.at[digits.n - 1]} + 1];
  return digits;
}

uint64_t Digits::number(size_t from, size_t length) const {
  uint64_t sum = 0;
  for (size_t i = from; i < from + length; ++i) sum = sum * 10 + value[i];
  return sum;
}

Digits::Grouping Digits::grouping(size_t from, size_t length) const {
  size_t gaps = 0;
  for (size_t i = from + 1; i < from + length; ++i) gaps += gap[i] > 0 ? 1 : 0;
  if (gaps == 0) return Grouping::kWhole;
  return gaps == length - 1 ? Grouping::kSpaced : Grouping::kGroups;
}

bool Digits::grouped_as(size_t from, std::initializer_list<uint8_t> groups) const {
  size_t i = from;
  for (const uint8_t group : groups) {
    for (uint8_t k = 0; k < group; ++k, ++i) {
      if (i >= n) return false;
      const bool begins = k == 0 && i > from;
      if ((gap[i] > 0) != begins && i > from) return false;
    }
  }
  return true;
}

bool luhn(const Digits& digits, size_t length) {
  int sum = 0;
  for (size_t i = 0; i < length; ++i) {
    int digit = digits.value[length - 1 - i];
    if (i % 2 == 1) digit = digit > 4 ? digit * 2 - 9 : digit * 2;
    sum += digit;
  }
  return sum % 10 == 0;
}

bool is_date(uint64_t year, uint64_t month, uint64_t day) {
  constexpr std::array<uint8_t, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (month < 1 || month > 12 || day < 1) return false;
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return day <= kDays[month - 1] + (month == 2 && leap ? 1U : 0U);
}

bool is_province(uint64_t code) {
  constexpr std::array<uint8_t, 36> kCodes = {11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34,
                                              35, 36, 37, 41, 42, 43, 44, 45, 46, 50, 51, 52,
                                              53, 54, 61, 62, 63, 64, 65, 71, 81, 82, 83, 91};
  return std::find(kCodes.begin(), kCodes.end(), code) != kCodes.end();
}

}  // namespace autoglm::guard::redact
