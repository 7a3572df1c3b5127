// Identifiers that hold letters: unified social credit codes (GB 32100-2015), passports and
// permits, identity cards of Hong Kong and Taiwan, IBAN (ISO 13616), WeChat and QQ.
#include <algorithm>
#include <string_view>

#include "guard/redact/context.h"
#include "guard/redact/digits.h"
#include "guard/redact/recognizer.h"

namespace autoglm::guard::redact {
namespace {

using enum Entity;
constexpr float kContext = 0.35F;

size_t alnum_run(const Window& window, size_t at, size_t most) {
  size_t n = 0;
  while (n < most && is_alnum(window[at + n])) ++n;
  return n;
}

bool all_digits(const Window& window, size_t at, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    if (!is_digit(window[at + i])) return false;
  }
  return true;
}

int value(char32_t digit) { return static_cast<int>(digit - U'0'); }

// GB 11714's check of the organization inside.
bool inner_check(const Window& window) {
  constexpr std::array<int, 8> kWeights = {3, 7, 9, 10, 5, 8, 4, 2};
  int sum = 0;
  for (size_t i = 0; i < 8; ++i) {
    const char32_t c = upper(window[8 + i]);
    sum += kWeights[i] * (is_digit(c) ? value(c) : static_cast<int>(c - U'A') + 10);
  }
  const int check = 11 - sum % 11;
  const char32_t wanted = check == 10   ? U'X'
                          : check == 11 ? U'0'
                                        : U'0' + static_cast<char32_t>(check);
  return upper(window[16]) == wanted;
}

void credit_code(const Window& window, Offers& offers) {
  constexpr std::u32string_view kAlphabet = U"0123456789ABCDEFGHJKLMNPQRTUWXY";
  constexpr size_t kLength = 18;
  if (!all_digits(window, 2, 6)) return;
  if (alnum_run(window, 0, kLength + 1) != kLength) return;
  if (!is_province(static_cast<uint64_t>(value(window[2]) * 10 + value(window[3])))) return;
  int sum = 0;
  int weight = 1;
  for (size_t i = 0; i < kLength; ++i) {
    const size_t symbol = kAlphabet.find(upper(window[i]));
    if (symbol == std::u32string_view::npos) return;
    if (i == kLength - 1) {
      const auto check = static_cast<size_t>((31 - sum % 31) % 31);
      const bool outer = check == symbol;
      const bool inner = inner_check(window);
      const char32_t kind = upper(window[0]);
      const bool known = kind == U'1' || kind == U'5' || kind == U'9' || kind == U'Y';
      // Early codes fail their own check.
      float score = outer ? (inner || known ? 0.93F : 0.5F) : 0.2F;
      if (score < 0.5F && speaks_of(window, Topic::kCreditCode)) score += kContext;
      offers.add(kCnCreditCode, kLength, score);
      return;
    }
    sum += weight * static_cast<int>(symbol);
    weight = weight * 3 % 31;
  }
}

// Letters, then so many digits.
struct Document {
  Entity entity;
  std::string_view letters;
  uint8_t digits;
};
constexpr Document kDocuments[] = {
    {kCnPassport, "e", 8},      {kCnPassport, "g", 8},     {kCnPassport, "de", 7},
    {kCnPassport, "se", 7},     {kCnPassport, "pe", 7},    {kCnPassport, "k", 8},
    {kCnPassport, "kj", 7},     {kCnPassport, "h", 8},     {kCnPassport, "ma", 7},
    {kCnPassport, "mb", 7},     {kCnTravelPermit, "c", 8}, {kCnTravelPermit, "w", 8},
    {kCnTravelPermit, "h", 8},  {kCnTravelPermit, "m", 8}, {kCnTravelPermit, "h", 10},
    {kCnTravelPermit, "m", 10}, {kCnTravelPermit, "l", 8}, {kCnTravelPermit, "t", 8},
};

// They have no check digit: a word near them must say so.
void document(const Window& window, Offers& offers) {
  size_t n_letters = 0;
  while (n_letters < 3 && is_letter(window[n_letters])) ++n_letters;
  if (n_letters == 0 || n_letters > 2) return;
  size_t n_digits = 0;
  while (n_digits <= 10 && is_digit(window[n_letters + n_digits])) ++n_digits;
  if (n_digits < 7 || n_digits > 10 || is_alnum(window[n_letters + n_digits])) return;
  const size_t length = n_letters + n_digits;
  for (const Document& kind : kDocuments) {
    if (kind.letters.size() != n_letters || kind.digits != n_digits) continue;
    if (!window.has(0, kind.letters)) continue;
    const bool passport = kind.entity == kCnPassport;
    const bool said = speaks_of(window, passport ? Topic::kPassport : Topic::kPermit);
    offers.add(kind.entity, length, said ? 0.7F : 0.35F);
  }
  // Series with a letter in place of the first digit: E and C, then one but I and O.
  const char32_t second = upper(window[1]);
  if (n_letters == 2 && n_digits == 7 && second != U'I' && second != U'O') {
    const char32_t first = upper(window[0]);
    const bool said = speaks_of(window, first == U'E' ? Topic::kPassport : Topic::kPermit);
    if (first == U'E') offers.add(kCnPassport, length, said ? 0.7F : 0.35F);
    if (first == U'C') offers.add(kCnTravelPermit, length, said ? 0.7F : 0.35F);
  }
}

void hong_kong_id(const Window& window, Offers& offers) {
  const size_t n_letters = is_letter(window[1]) ? 2 : 1;
  if (!all_digits(window, n_letters, 6)) return;
  size_t i = n_letters + 6;
  if (is_digit(window[i]) && is_digit(window[i + 1])) return;
  if (window[i] == U' ') ++i;
  const bool bracket = window[i] == U'(';
  if (bracket) ++i;
  const char32_t last = upper(window[i]);
  if (!is_digit(last) && last != U'A') return;
  ++i;
  if (bracket && window[i] != U')') return;
  if (bracket) ++i;
  if (!bracket && is_alnum(window[i])) return;
  int sum = 9 * (n_letters == 2 ? static_cast<int>(upper(window[0]) - U'A') + 10 : 36);
  sum += 8 * (static_cast<int>(upper(window[n_letters - 1]) - U'A') + 10);
  for (size_t k = 0; k < 6; ++k) sum += static_cast<int>(7 - k) * value(window[n_letters + k]);
  const int check = (11 - sum % 11) % 11;
  if ((last == U'A' ? 10 : value(last)) != check) return;
  float score = bracket ? 0.9F : 0.4F;
  if (score < 0.5F && speaks_of(window, Topic::kHkId)) score += kContext;
  offers.add(kHkId, i, score);
}

void taiwan_id(const Window& window, Offers& offers) {
  // The numbers of the letters, A to Z.
  constexpr std::array<int, 26> kRegion = {10, 11, 12, 13, 14, 15, 16, 17, 34, 18, 19, 20, 21,
                                           22, 35, 23, 24, 25, 26, 27, 28, 29, 32, 30, 31, 33};
  if (!all_digits(window, 1, 9) || is_alnum(window[10])) return;
  const int kind = value(window[1]);
  if (kind != 1 && kind != 2 && kind != 8 && kind != 9) return;
  const int region = kRegion[static_cast<size_t>(upper(window[0]) - U'A')];
  int sum = region / 10 + region % 10 * 9;
  for (size_t k = 0; k < 8; ++k) sum += static_cast<int>(8 - k) * value(window[1 + k]);
  sum += value(window[9]);
  if (sum % 10 != 0) return;
  const bool sure = is_upper(window[0]) || speaks_of(window, Topic::kTwId);
  offers.add(kTwId, 10, sure ? 0.6F : 0.35F);
}

struct BankCountry {
  std::string_view code;
  uint8_t length;
};
constexpr BankCountry kBankCountries[] = {
    {"ad", 24}, {"ae", 23}, {"al", 28}, {"at", 20}, {"az", 28}, {"ba", 20}, {"be", 16}, {"bg", 22},
    {"bh", 22}, {"br", 29}, {"by", 28}, {"ch", 21}, {"cr", 22}, {"cy", 28}, {"cz", 24}, {"de", 22},
    {"dk", 18}, {"do", 28}, {"ee", 20}, {"eg", 29}, {"es", 24}, {"fi", 18}, {"fo", 18}, {"fr", 27},
    {"gb", 22}, {"ge", 22}, {"gi", 23}, {"gl", 18}, {"gr", 27}, {"gt", 28}, {"hr", 21}, {"hu", 28},
    {"ie", 22}, {"il", 23}, {"iq", 23}, {"is", 26}, {"it", 27}, {"jo", 30}, {"kw", 30}, {"kz", 20},
    {"lb", 28}, {"lc", 32}, {"li", 21}, {"lt", 20}, {"lu", 20}, {"lv", 21}, {"mc", 27}, {"md", 24},
    {"me", 22}, {"mk", 19}, {"mr", 27}, {"mt", 31}, {"mu", 30}, {"nl", 18}, {"no", 15}, {"pk", 24},
    {"pl", 28}, {"ps", 29}, {"pt", 25}, {"qa", 29}, {"ro", 24}, {"rs", 22}, {"sa", 24}, {"se", 24},
    {"si", 19}, {"sk", 24}, {"sm", 27}, {"tl", 23}, {"tn", 24}, {"tr", 26}, {"ua", 29}, {"va", 22},
    {"vg", 24}, {"xk", 20},
};

void iban(const Window& window, Offers& offers) {
  size_t wanted = 0;
  for (const BankCountry& country : kBankCountries) {
    if (window.has(0, country.code)) wanted = country.length;
  }
  if (wanted == 0 || !all_digits(window, 2, 2)) return;
  std::array<char32_t, 34> code{};
  size_t i = 0;
  for (size_t n = 0; n < wanted; ++i) {
    const char32_t c = window[i];
    if (is_alnum(c)) {
      code[n++] = upper(c);
    } else if ((c != U' ' && c != U'-') || n == 0 || !is_alnum(window[i + 1])) {
      return;
    }
  }
  if (is_alnum(window[i])) return;
  int rest = 0;
  for (size_t k = 0; k < wanted; ++k) {
    const char32_t c = code[(k + 4) % wanted];
    rest = is_digit(c) ? rest * 10 + value(c) : rest * 100 + static_cast<int>(c - U'A') + 10;
    rest %= 97;
  }
  if (rest == 1) offers.add(kIban, i, 0.95F);
}

// Whether one of the words stands before the place, with nothing but "号", ":" and the like
// between.
bool follows(const Window& window, std::initializer_list<std::u32string_view> words) {
  constexpr std::u32string_view kBetween = U" :=号碼码帐账是为為(（\"'”“加我的个";
  constexpr size_t kMostBetween = 10;
  size_t skip = 0;
  while (skip <= kMostBetween) {
    for (const std::u32string_view word : words) {
      if (!ends_with(window, word, skip)) continue;
      if (word.front() < 0x80 && is_letter(window.before(skip + word.size() + 1))) continue;
      return true;
    }
    const char32_t c = window.before(skip + 1);
    const bool id = lower(c) == U'd' && lower(window.before(skip + 2)) == U'i';
    if (id) {
      skip += 2;
    } else if (kBetween.find(c) != std::u32string_view::npos) {
      ++skip;
    } else {
      return false;
    }
  }
  return false;
}

void wechat(const Window& window, Offers& offers) {
  size_t n = 0;
  bool marked = false;  // holds what words do not
  while (n <= 20) {
    const char32_t c = window[n];
    if (!is_alnum(c) && c != U'_' && c != U'-') break;
    marked |= !is_letter(c);
    ++n;
  }
  while (n > 0 && window[n - 1] == U'-') --n;
  if (n < 6 || n > 20) return;
  if (window.has(0, "wxid_") && n >= 12) {
    offers.add(kCnWechat, n, 0.9F);
    return;
  }
  const char32_t previous = window.before();
  if (!marked && previous != U':') return;
  if (window[n] == U'@' || window[n] == U'.' || window[n] == U'(') return;
  if (follows(window, {U"微信", U"薇信", U"威信", U"v信", U"vx", U"wx", U"weixin", U"wechat"})) {
    offers.add(kCnWechat, n, 0.65F);
  }
}

void qq(const Window& window, Offers& offers) {
  if (!offers.wants(kCnQq) || window[0] == U'0') return;
  size_t n = 0;
  while (n <= 11 && is_digit(window[n])) ++n;
  if (n < 5 || n > 11 || is_alnum(window[n]) || window[n] == U'@') return;
  if (follows(window, {U"qq", U"扣扣", U"企鹅号", U"企鹅"})) offers.add(kCnQq, n, 0.7F);
}

}  // namespace

void recognize_behind_letters(const Window& window, Offers& offers) { qq(window, offers); }

void recognize_codes(const Window& window, Offers& offers) {
  const char32_t first = window[0];
  // Most words end with their letters: what follows the first two decides.
  if (offers.wants(kCnCreditCode)) credit_code(window, offers);
  if (is_digit(first)) {
    qq(window, offers);
    return;
  }
  if (offers.wants(kCnWechat)) wechat(window, offers);
  if (is_letter(window[1]) && is_letter(window[2])) return;
  document(window, offers);
  hong_kong_id(window, offers);
  if (is_digit(window[1])) taiwan_id(window, offers);
  if (is_letter(window[1]) && offers.wants(kIban)) iban(window, offers);
}

}  // namespace autoglm::guard::redact
