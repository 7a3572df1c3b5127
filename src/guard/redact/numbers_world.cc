// Payment cards (ISO/IEC 7812: issuer, length, Luhn), phones outside of the mainland (E.164) and
// numbers of persons and accounts in some countries. A check digit alone says little about a run of
// digits: one in ten passes. So a bare run needs an issuer, a grouping or a word near it as well.
#include <algorithm>

#include "guard/redact/context.h"
#include "guard/redact/digits.h"
#include "guard/redact/recognizer.h"

namespace autoglm::guard::redact {
namespace {

using enum Entity;
using enum Digits::Grouping;
constexpr float kContext = 0.35F;

struct Issuer {
  uint32_t first, last;  // the first four digits
  uint8_t shortest, longest;
};
constexpr Issuer kIssuers[] = {
    {4000, 4999, 13, 19},                        // Visa
    {5100, 5599, 16, 16}, {2221, 2720, 16, 16},  // Mastercard
    {3400, 3499, 15, 15}, {3700, 3799, 15, 15},  // American Express
    {6011, 6011, 16, 19}, {6440, 6599, 16, 19},  // Discover
    {3528, 3589, 16, 19},                        // JCB
    {3000, 3059, 14, 19}, {3090, 3099, 14, 19}, {3600, 3699, 14, 19}, {3800, 3999, 14, 19},
    {5000, 5099, 16, 16}, {5600, 5899, 16, 19}, {6304, 6304, 16, 19}, {6700, 6799, 16, 19},
    {6000, 6099, 16, 19}, {6500, 6599, 16, 19},
};

bool grouped_as_card(const Digits& digits, size_t length) {
  if (digits.grouping(0, length) != kGroups) return true;
  if (digits.grouped_as(0, {4, 6, 5}) && length == 15) return true;
  if (digits.grouped_as(0, {4, 6, 4}) && length == 14) return true;
  if (digits.grouped_as(0, {6, 13}) && length == 19) return true;
  for (size_t i = 1; i < length; ++i) {
    if ((digits.gap[i] > 0) != (i % 4 == 0)) return false;
  }
  return true;
}

void card(const Window& window, const Digits& digits, Offers& offers) {
  constexpr size_t kShortest = 13;
  for (size_t length = std::min<size_t>(digits.n, 19); length >= kShortest; --length) {
    if (!digits.may_end(length)) continue;
    const auto prefix = static_cast<uint32_t>(digits.number(0, 4));
    const bool union_pay = length >= 16 && (prefix / 100 == 62 || prefix / 100 == 81);
    const bool checked = luhn(digits, length);
    const bool regular = grouped_as_card(digits, length);
    if (union_pay) {
      // Some UnionPay numbers have no check digit.
      float score = checked ? 0.9F : length == 19 ? 0.4F : 0.3F;
      if (!regular) score -= 0.4F;
      if (score < 0.5F && speaks_of(window, Topic::kBankCard)) score += kContext;
      offers.add(kCnBankCard, digits.units(length), score);
      continue;
    }
    if (!checked) continue;
    const bool issued =
        std::any_of(std::begin(kIssuers), std::end(kIssuers), [&](const Issuer& issuer) {
          return prefix >= issuer.first && prefix <= issuer.last && length >= issuer.shortest &&
                 length <= issuer.longest;
        });
    const bool air = length == 15 && prefix / 1000 == 1;  // UATP
    if (!issued && !air) continue;
    float score = air ? 0.3F : length == 13 ? 0.4F : 0.85F;
    if (!regular) score -= 0.4F;
    if (score < 0.5F && speaks_of(window, Topic::kBankCard)) score += kContext;
    offers.add(kCreditCard, digits.units(length), score);
  }
}

// Groups with the same one mark between them, a hyphen or a space: no list of numbers.
bool joined(const Window& window, const Digits& digits, std::initializer_list<uint8_t> groups) {
  if (!digits.grouped_as(0, groups)) return false;
  const size_t second = *groups.begin();
  const char32_t mark = window[digits.at[second] - 1U];
  size_t at = 0;
  for (const uint8_t group : groups) {
    if (at > 0 && (digits.gap[at] != 1 || window[digits.at[at] - 1U] != mark)) return false;
    at += group;
  }
  return mark == U'-' || mark == U' ' || mark == U':';
}

bool all_equal(const Digits& digits, size_t length) {
  return std::all_of(digits.value.begin() + 1, digits.value.begin() + static_cast<int>(length),
                     [&](uint8_t digit) { return digit == digits.value[0]; });
}

void ssn(const Window& window, const Digits& digits, Offers& offers) {
  if (!digits.may_end(9) || digits.n < 9) return;
  const uint64_t number = digits.number(0, 9);
  const uint64_t area = number / 1'000'000;
  if (area == 0 || area == 666 || area >= 900 || number / 10'000 % 100 == 0) return;
  if (number % 10'000 == 0 || all_equal(digits, 9)) return;
  if (number == 123'456'789 || number == 78'051'120 || number / 10 == 98'765'432) return;
  float score = 0;
  if (digits.grouped_as(0, {3, 2, 4})) {
    // Both separators are the same, and one character.
    const char32_t one = window[digits.at[3] - 1U];
    if (digits.gap[3] != 1 || digits.gap[5] != 1 || one != window[digits.at[5] - 1U]) return;
    score = one == U'-' ? 0.6F : 0.4F;
  } else if (digits.grouping(0, 9) == kWhole) {
    score = 0.2F;
  } else {
    return;
  }
  if (score < 0.6F && speaks_of(window, Topic::kSsn)) score += kContext;
  offers.add(kUsSsn, digits.units(9), score);
}

void routing(const Window& window, const Digits& digits, Offers& offers) {
  if (digits.n < 9 || !digits.may_end(9)) return;
  const uint64_t district = digits.number(0, 2);
  if (!(district <= 12 || (district >= 21 && district <= 32) ||
        (district >= 61 && district <= 72) || district == 80)) {
    return;
  }
  constexpr std::array<int, 9> kWeights = {3, 7, 1, 3, 7, 1, 3, 7, 1};
  int sum = 0;
  for (size_t i = 0; i < 9; ++i) sum += kWeights[i] * digits.value[i];
  if (sum % 10 != 0 || digits.number(0, 9) == 0) return;
  const bool grouped = joined(window, digits, {4, 4, 1});
  if (!grouped && digits.grouping(0, 9) != kWhole) return;
  const float score = (grouped ? 0.5F : 0.2F) + (speaks_of(window, Topic::kRouting) ? kContext : 0);
  offers.add(kUsBankRouting, digits.units(9), score);
}

void nhs(const Window& window, const Digits& digits, Offers& offers) {
  if (digits.n < 10 || !digits.may_end(10) || all_equal(digits, 10)) return;
  int sum = 0;
  for (size_t i = 0; i < 10; ++i) sum += static_cast<int>(10 - i) * digits.value[i];
  // The last digit counts once.
  if (sum % 11 != 0) return;
  const bool grouped = joined(window, digits, {3, 3, 4});
  if (!grouped && digits.grouping(0, 10) != kWhole) return;
  const float score = (grouped ? 0.5F : 0.2F) + (speaks_of(window, Topic::kNhs) ? kContext : 0);
  offers.add(kUkNhs, digits.units(10), score);
}

// Verhoeff's check: the multiplication table of the dihedral group of order 10, and a permutation.
bool verhoeff(const Digits& digits, size_t length) {
  const auto times = [](int a, int b) {
    const bool turned = a >= 5;
    const int turn = turned ? (a - b % 5 + 5) % 5 : (a + b) % 5;
    return (turned != (b >= 5) ? 5 : 0) + turn;
  };
  constexpr std::array<int, 10> kPermuted = {1, 5, 7, 6, 2, 8, 3, 0, 9, 4};
  int check = 0;
  for (size_t i = 0; i < length; ++i) {
    int digit = digits.value[length - 1 - i];
    for (size_t k = 0; k < i % 8; ++k) digit = kPermuted[static_cast<size_t>(digit)];
    check = times(check, digit);
  }
  return check == 0;
}

void aadhaar(const Window& window, const Digits& digits, Offers& offers) {
  if (digits.n < 12 || !digits.may_end(12) || digits.value[0] < 2) return;
  const bool grouped = joined(window, digits, {4, 4, 4});
  if (!grouped && digits.grouping(0, 12) != kWhole) return;
  if (!verhoeff(digits, 12)) return;
  bool palindrome = true;
  for (size_t i = 0; i < 6; ++i) palindrome &= digits.value[i] == digits.value[11 - i];
  if (palindrome) return;
  const float score = (grouped ? 0.5F : 0.2F) + (speaks_of(window, Topic::kAadhaar) ? kContext : 0);
  offers.add(kInAadhaar, digits.units(12), score);
}

void social_insurance(const Window& window, const Digits& digits, Offers& offers) {
  if (digits.n < 9 || !digits.may_end(9)) return;
  if (digits.value[0] == 0 || digits.value[0] == 8 || all_equal(digits, 9)) return;
  const bool grouped = joined(window, digits, {3, 3, 3});
  if (!grouped && digits.grouping(0, 9) != kWhole) return;
  if (!luhn(digits, 9)) return;
  // With spaces it may be one large number.
  const bool hyphens = grouped && window[digits.at[3] - 1U] == U'-';
  const float score = (hyphens   ? 0.5F
                       : grouped ? 0.3F
                                 : 0.2F) +
                      (speaks_of(window, Topic::kSin) ? kContext : 0);
  offers.add(kCaSin, digits.units(9), score);
}

struct Country {
  uint16_t code;
  uint8_t shortest, longest;  // digits behind the code
};
constexpr Country kCountries[] = {
    {1, 10, 10},  {7, 10, 10},  {20, 8, 10},  {27, 9, 9},   {30, 10, 10}, {31, 9, 9},   {32, 8, 9},
    {33, 9, 9},   {34, 9, 9},   {36, 8, 9},   {39, 6, 11},  {40, 9, 9},   {41, 9, 9},   {43, 7, 12},
    {44, 9, 10},  {45, 8, 8},   {46, 7, 10},  {47, 8, 8},   {48, 9, 9},   {49, 6, 12},  {51, 8, 9},
    {52, 10, 11}, {54, 10, 11}, {55, 10, 11}, {56, 9, 9},   {57, 10, 10}, {60, 7, 10},  {61, 9, 9},
    {62, 8, 12},  {63, 8, 10},  {64, 8, 10},  {65, 8, 8},   {66, 8, 9},   {81, 9, 10},  {82, 8, 10},
    {84, 8, 10},  {86, 9, 12},  {90, 10, 10}, {91, 10, 10}, {92, 9, 10},  {98, 10, 10}, {351, 9, 9},
    {353, 7, 9},  {358, 6, 11}, {380, 9, 9},  {420, 9, 9},  {852, 8, 8},  {853, 8, 8},  {855, 8, 9},
    {880, 8, 10}, {886, 8, 9},  {966, 8, 9},  {971, 8, 9},  {972, 8, 9},
};

bool north_american(const Digits& digits, size_t from) {
  return digits.value[from] >= 2 && digits.value[from + 3] >= 2 &&
         !(digits.value[from + 1] == 1 && digits.value[from + 2] == 1);
}

void international_phone(const Digits& digits, Offers& offers) {
  for (const size_t width : {size_t{1}, size_t{2}, size_t{3}}) {
    if (digits.n <= width) return;
    const uint64_t code = digits.number(0, width);
    for (const Country& country : kCountries) {
      if (country.code != code) continue;
      // A zero in brackets behind the code, as in +44 (0)20.
      const size_t zero = digits.value[width] == 0 && digits.gap[width] > 0 ? 1 : 0;
      for (size_t n = country.longest; n >= country.shortest; --n) {
        const size_t length = width + zero + n;
        if (length > digits.n || !digits.may_end(length)) continue;
        offers.add(kPhone, digits.units(length), 0.7F);
        return;
      }
    }
  }
}

// Where a word speaks of phones, digits in groups are one, of whatever country; with "x123" behind.
void grouped_phone(const Window& window, const Digits& digits, bool bracket, Offers& offers) {
  if (digits.cut || digits.n < 8 || digits.n > 14) return;
  size_t groups = 1;
  for (size_t i = 1; i < digits.n; ++i) {
    if (digits.gap[i] == 0) continue;
    ++groups;
    for (size_t k = 1; k <= digits.gap[i]; ++k) {
      const char32_t mark = window[digits.at[i] - k];
      if (mark != U' ' && mark != U'-' && mark != U'.' && mark != U'(' && mark != U')') return;
    }
  }
  const bool is_day = digits.grouped_as(0, {4, 2, 2}) &&
                      is_date(digits.number(0, 4), digits.number(4, 2), digits.number(6, 2));
  if (groups < 2 || groups > 5 || is_day) return;
  if (bracket && digits.n > 4 && digits.gap[1] > 0) return;
  if (!speaks_of(window, Topic::kPhone)) return;
  size_t end = digits.units(digits.n);
  size_t n = 0;
  if (lower(window[end]) == U'x') {
    while (n < 7 && is_digit(window[end + 1 + n])) ++n;
  }
  if (n > 0 && n < 7) end += 1 + n;
  offers.add(kPhone, end, 0.55F);
}

}  // namespace

void recognize_world_numbers(const Window& window, const Digits& digits, Offers& offers) {
  card(window, digits, offers);
  if (is_letter(window.before()) || is_letter(digits.next)) return;
  ssn(window, digits, offers);
  routing(window, digits, offers);
  nhs(window, digits, offers);
  aadhaar(window, digits, offers);
  social_insurance(window, digits, offers);
}

void recognize_phone(const Window& window, Offers& offers) {
  const char32_t first = window[0];
  if (first == U'+') {
    if (!is_digit(window[1]) && window[1] != U'(') return;
    international_phone(read_digits(window, window[1] == U'(' ? 2 : 1), offers);
    return;
  }
  const bool bracket = first == U'(';
  const Digits digits = read_digits(window, bracket ? 1 : 0, 15);
  grouped_phone(window, digits, bracket, offers);
  const size_t from = !bracket && digits.n > 0 && digits.value[0] == 1 ? 1 : 0;
  const size_t length = from + 10;
  if (digits.n < length || !digits.may_end(length) || !north_american(digits, from)) return;
  if (bracket && window[4] != U')') return;
  const bool grouped = digits.grouped_as(from, {3, 3, 4});
  float score = grouped ? (bracket ? 0.7F : 0.55F) : digits.grouping(from, 10) == kWhole ? 0.2F : 0;
  if (score == 0) return;
  for (const size_t i : {from + 3, from + 6}) {
    const char32_t mark = window[digits.at[i] - 1U];
    if (grouped && mark != U' ' && mark != U'-' && mark != U'.' && mark != U')') return;
  }
  // 415-555-2671 and 415.555.2671 are phones; with spaces it is three numbers, unless a word says.
  if (grouped && !bracket && window[digits.at[from + 3] - 1U] == U' ') score = 0.4F;
  if (score < 0.7F && speaks_of(window, Topic::kPhone)) score += kContext;
  offers.add(kPhone, digits.units(length), score);
}

}  // namespace autoglm::guard::redact
