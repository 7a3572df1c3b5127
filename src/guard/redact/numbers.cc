// Numbers of China: resident IDs, phones; and the entry to all numbers. Formats: GB 11643-1999 for
// IDs, the numbering plan for phones. Digits are neighbours by their class, never by a word
// boundary: a Han character beside a number is none of it.
#include <algorithm>

#include "guard/redact/context.h"
#include "guard/redact/digits.h"
#include "guard/redact/recognizer.h"

namespace autoglm::guard::redact {
namespace {

using enum Entity;
constexpr float kContext = 0.35F;  // what a word near a number adds

// Digits that people mistype, or write so that no scanner reads them.
int read_loosely(char32_t code, bool& loose) {
  if (is_digit(code)) return static_cast<int>(code - U'0');
  const int han = han_digit(code);
  if (han >= 0) return han;
  loose = true;
  if (code == U'l' || code == U'I' || code == U'|') return 1;
  if (code == U'O' || code == U'o') return 0;
  return -1;
}

// 17 digits and a check digit or X. A random run of 18 digits passes date, province and check
// about twice in 100,000.
void resident_id(const Window& window, Offers& offers) {
  constexpr int kMostLoose = 2;
  std::array<int, 18> value{};
  size_t i = 0;
  int n_loose = 0;
  size_t groups = 1;
  for (size_t k = 0; k < value.size(); ++k) {
    size_t gap = 0;
    while (k > 0 && gap < kMostSeparators && is_separator(window[i])) ++i, ++gap;
    if (gap > 0) ++groups;
    bool loose = false;
    const char32_t code = window[i];
    if (k == 17 && lower(code) == U'x') {
      value[k] = 10;
    } else {
      value[k] = read_loosely(code, loose);
      if (value[k] < 0) return;
      if (loose && ++n_loose > kMostLoose) return;
    }
    // Most runs of digits end here.
    if (k == 1 && !is_province(static_cast<uint64_t>(value[0] * 10 + value[1]))) return;
    ++i;
  }
  const char32_t next = window[i];
  if (is_digit(next) || (is_letter(next) && value[17] == 10)) return;
  const auto number = [&](size_t from, size_t length) {
    uint64_t sum = 0;
    for (size_t k = from; k < from + length; ++k) sum = sum * 10 + static_cast<uint64_t>(value[k]);
    return sum;
  };
  const uint64_t year = number(6, 4);
  constexpr uint64_t kLastYear = 2100;  // the clock must not decide what a text holds
  if (year < 1850 || year > kLastYear || !is_date(year, number(10, 2), number(12, 2))) return;
  int sum = 0;
  int weight = 1;  // 2^(17 - k) mod 11, from the right
  for (size_t k = 18; k > 0; --k) {
    sum += value[k - 1] * weight;
    weight = weight * 2 % 11;
  }
  if (sum % 11 != 1) return;
  offers.add(kCnResidentId, i, n_loose > 0 ? 0.8F : groups > 4 ? 0.85F : 0.95F);
}

// The old form has no check digit.
void old_resident_id(const Window& window, const Digits& digits, Offers& offers) {
  if (!digits.may_end(15) || digits.grouping(0, 15) != Digits::Grouping::kWhole) return;
  if (!is_province(digits.number(0, 2))) return;
  if (!is_date(1900 + digits.number(6, 2), digits.number(8, 2), digits.number(10, 2))) return;
  if (speaks_of(window, Topic::kResidentId)) offers.add(kCnResidentId, digits.units(15), 0.7F);
}

bool is_assigned_mobile(uint64_t prefix) {  // the first three digits
  switch (prefix) {
    case 154:
    case 160:
    case 161:
    case 163:
    case 164:
    case 168:
    case 169:
    case 179:
    case 194:
    case 140:
    case 141:
    case 142:
    case 143:
    case 144: return false;
    default: return prefix >= 130 && prefix <= 199;
  }
}

bool grouped_as_mobile(const Digits& digits, size_t from) {
  return digits.grouping(from, 11) != Digits::Grouping::kGroups ||
         digits.grouped_as(from, {3, 4, 4}) || digits.grouped_as(from, {4, 3, 4}) ||
         digits.grouped_as(from, {3, 3, 5}) || digits.grouped_as(from, {4, 4, 3}) ||
         digits.grouped_as(from, {1, 10}) || digits.grouped_as(from, {3, 8}) ||
         digits.grouped_as(from, {7, 4}) || digits.grouped_as(from, {5, 6});
}

// `from`: behind +86 and the like. What stands before or behind a number tells a measure or the
// middle of a code.
void mobile(const Window& window, const Digits& digits, size_t from, bool prefixed, bool apart,
            Offers& offers) {
  if (digits.n < from + 11 || !digits.may_end(from + 11)) return;
  if (digits.value[from] != 1 || digits.value[from + 1] < 3) return;
  const bool regular = grouped_as_mobile(digits, from);
  float score = is_assigned_mobile(digits.number(from, 3)) ? 0.75F : 0.45F;
  if (prefixed) score += 0.1F;
  if (!regular) score -= 0.35F;
  if (!apart) score -= 0.35F;
  if (score < 0.5F && speaks_of(window, Topic::kPhone)) score += kContext;
  offers.add(kCnMobile, digits.units(from + 11), std::min(score, 1.0F));
}

bool is_area_code(const Digits& digits, size_t length) {
  if (digits.value[0] != 0) return false;
  const uint8_t second = digits.value[1];
  if (length == 3) return second == 1 ? digits.value[2] == 0 : second == 2 && digits.value[2] != 6;
  return second >= 3;
}

// Behind the number: "-123", " 转 123", "ext 12".
size_t extension(const Window& window, size_t at) {
  size_t i = at;
  while (i < at + 2 && (window[i] == U' ' || window[i] == U'-')) ++i;
  if (window[i] == U'转' || window[i] == U'轉') {
    ++i;
    if (window[i] == U' ') ++i;
  } else if (i == at || window[i - 1] != U'-') {
    return at;
  }
  size_t n = 0;
  while (n < 7 && is_digit(window[i + n])) ++n;
  return n >= 1 && n <= 6 ? i + n : at;
}

// `bracket`: the run stands behind a '(' at the window's place.
void landline(const Window& window, const Digits& digits, bool bracket, Offers& offers) {
  for (const size_t area : {size_t{3}, size_t{4}}) {
    if (digits.n < area + 7 || !is_area_code(digits, area)) continue;
    for (const size_t local : {size_t{8}, size_t{7}}) {
      const size_t length = area + local;
      if (length > digits.n || !digits.may_end(length)) continue;
      if (digits.value[area] < 2 || digits.value[area] > 8) continue;
      const bool apart = digits.gap[area] > 0;
      const bool whole = digits.grouping(area, local) == Digits::Grouping::kWhole;
      const bool halves =
          local == 8 ? digits.grouped_as(area, {4, 4}) : digits.grouped_as(area, {3, 4});
      float score = apart && (whole || halves) ? 0.6F : whole ? 0.4F : 0.2F;
      const bool closed = window[size_t{digits.at[area - 1]} + 1] == U')';
      if (bracket && !closed) continue;
      // As many amounts and times of day begin with a 0.
      if (speaks_of(window, Topic::kPhone)) score += kContext;
      const size_t end = digits.units(length);
      offers.add(kCnLandline, length == digits.n ? extension(window, end) : end, score);
      return;
    }
  }
}

void service_number(const Digits& digits, Offers& offers) {
  if (digits.n < 10 || !digits.may_end(10)) return;
  const uint64_t prefix = digits.number(0, 3);
  if (prefix != 400 && prefix != 800) return;
  if (digits.grouped_as(0, {3, 3, 4}) || digits.grouped_as(0, {3, 4, 3}) ||
      digits.grouped_as(0, {3, 7})) {
    offers.add(kCnLandline, digits.units(10), 0.6F);
  }
}

// Seven or eight digits right behind a word for phones.
void local_number(const Window& window, const Digits& digits, Offers& offers) {
  for (const size_t length : {size_t{8}, size_t{7}}) {
    if (digits.n < length || !digits.may_end(length) || digits.n > length + 6) continue;
    if (digits.value[0] < 2 || digits.value[0] > 8) continue;
    if (length == 8 && is_date(digits.number(0, 4), digits.number(4, 2), digits.number(6, 2))) {
      continue;
    }
    const bool whole = digits.grouping(0, length) == Digits::Grouping::kWhole;
    if (!whole && !(length == 8 ? digits.grouped_as(0, {4, 4}) : digits.grouped_as(0, {3, 4}))) {
      continue;
    }
    constexpr std::u32string_view kWords[] = {U"电话", U"電話", U"座机", U"传真",
                                              U"固话", U"热线", U"tel"};
    size_t skip = 0;
    while (skip < 3 && (window.before(skip + 1) == U':' || window.before(skip + 1) == U' ' ||
                        window.before(skip + 1) == U'是' || window.before(skip + 1) == U'.')) {
      ++skip;
    }
    for (const std::u32string_view word : kWords) {
      if (ends_with(window, word, skip)) {
        offers.add(kCnLandline, extension(window, digits.units(length)), 0.6F);
        return;
      }
    }
  }
}

}  // namespace

void recognize_numbers(const Window& window, Offers& offers) {
  const char32_t first = window[0];
  const char32_t previous = window.before();
  if (first == U'+' || first == U'(') {
    if (is_digit(previous)) return;
    if (first == U'(' && window[1] == U'0') {
      landline(window, read_digits(window, 1), true, offers);
    }
    if (first == U'+') {
      const Digits digits = read_digits(window, 1);
      if (digits.n > 2 && digits.number(0, 2) == 86) mobile(window, digits, 2, true, true, offers);
    }
    if (first == U'(' && window[1] == U'+') {
      const Digits digits = read_digits(window, 2);
      if (digits.n > 2 && digits.number(0, 2) == 86) mobile(window, digits, 2, true, true, offers);
    }
    recognize_phone(window, offers);
    return;
  }
  if (is_digit(previous)) return;
  // Inside a run of Han numerals.
  if (!is_digit(first) && han_digit(previous) >= 0) return;
  const Digits digits = read_digits(window, 0);
  if (digits.n < 6) return;
  resident_id(window, offers);
  // A Han numeral alone is a word; only a number of many is one.
  constexpr size_t kLeastWithHan = 7;
  if (digits.n_han > 0 && digits.n < kLeastWithHan) return;
  old_resident_id(window, digits, offers);
  const char32_t behind = digits.next;
  const bool decimal = (previous == U'.' || previous == U',') && is_digit(window.before(2));
  const size_t end = digits.units(digits.n);
  const bool extended = lower(behind) == U'x' && is_digit(window[end + 1]);
  const bool letter = is_letter(previous) || (is_letter(behind) && !extended);
  const bool apart = !decimal && !letter && previous != U'$';
  mobile(window, digits, 0, false, apart, offers);
  if (digits.number(0, 2) == 86) mobile(window, digits, 2, true, apart, offers);
  if (digits.n > 4 && digits.number(0, 4) == 86) mobile(window, digits, 4, true, apart, offers);
  if (digits.n > 5 && digits.number(0, 5) == 17951) mobile(window, digits, 5, true, apart, offers);
  if (!apart) {
    recognize_world_numbers(window, digits, offers);
    return;
  }
  if (digits.value[0] == 0) landline(window, digits, false, offers);
  service_number(digits, offers);
  local_number(window, digits, offers);
  recognize_world_numbers(window, digits, offers);
  recognize_phone(window, offers);
}

}  // namespace autoglm::guard::redact
