// What begins with a Han character: vehicle plates (GA 36), names by the words around them,
// addresses by their suffixes. Names and addresses are best effort; plates are not.
#include <algorithm>
#include <string_view>

#include "guard/redact/han_words.h"
#include "guard/redact/recognizer.h"

namespace autoglm::guard::redact {
namespace {

using enum Entity;

bool on_plate(char32_t c) {
  return is_digit(c) || (is_letter(c) && upper(c) != U'I' && upper(c) != U'O');
}

// 名：张三 / 我叫张三 / 张三先生
bool is_given(char32_t c) { return is_han(c) && !is_function_character(c); }

// Characters of the name that stands there, where something before has said that there is one.
size_t announced_name(const Window& window) {
  const size_t family = surname(window, 0);
  if (family == 0 || is_no_name(window, 0)) return 0;
  if (!is_given(window[family])) return 0;
  const char32_t second = window[family + 1];
  return is_given(second) ? family + 2 : family + 1;
}

size_t titled_name(const Window& window) {
  const size_t family = surname(window, 0);
  // 那位女士, 和老师
  if (family == 0 || is_no_name(window, 0) || is_function_character(window[0])) return 0;
  for (size_t given = 1; given <= 2; ++given) {
    if (!is_given(window[family + given - 1])) return 0;
    if (title(window, family + given) > 0) return family + given;
  }
  return 0;
}

constexpr std::u32string_view kSuffixes[] = {
    U"自治区", U"自治州", U"自治县", U"特别行政区", U"街道", U"大道", U"大街", U"胡同", U"社区",
    U"小区",   U"花园",   U"新村",   U"公寓",       U"大厦", U"广场", U"地区", U"省",   U"市",
    U"州",     U"盟",     U"区",     U"县",         U"旗",   U"镇",   U"乡",   U"村",   U"路",
    U"街",     U"巷",     U"弄",     U"道",         U"苑",   U"里"};
constexpr std::u32string_view kNumbered[] = {U"号楼", U"号院", U"单元", U"号", U"栋", U"幢",
                                             U"座",   U"弄",   U"组",   U"层", U"楼", U"室"};
constexpr size_t kMostAddress = 80;

bool stands(const Window& window, size_t at, std::u32string_view word) {
  for (size_t i = 0; i < word.size(); ++i) {
    if (window[at + i] != word[i]) return false;
  }
  return true;
}

// The end of "27号", "3-502室", "B座", "五栋" there; `at`: there is none.
size_t numbered_part(const Window& window, size_t at) {
  constexpr size_t kMostNumber = 8;
  size_t i = at;
  while (i < at + kMostNumber &&
         (is_alnum(window[i]) || window[i] == U'-' || window[i] == U'#' || window[i] == U'附' ||
          window[i] == U'十' || window[i] == U'百' || han_digit(window[i]) >= 0)) {
    ++i;
  }
  if (i == at) return at;
  for (const std::u32string_view suffix : kNumbered) {
    if (stands(window, i, suffix)) return i + suffix.size();
  }
  // The number of a room needs no word behind it: 3号楼502.
  return i - at >= 3 && is_digit(window[i - 1]) && !is_han(window[i]) ? i : at;
}

// The end of "海淀区", "中关村大街" there; `at`: there is none.
size_t named_part(const Window& window, size_t at) {
  constexpr size_t kMostName = 7;
  for (size_t n = 1; n <= kMostName; ++n) {
    const char32_t c = window[at + n - 1];
    if (!is_han(c) && !is_digit(c)) return at;
    if (is_function_character(c) && c != U'中' && c != U'和' && c != U'上' && c != U'下' &&
        c != U'里' && c != U'地' && c != U'日' && c != U'月' && c != U'明' && c != U'先' &&
        c != U'年') {
      return at;
    }
    if ((han_begins(window[at + n]) & kBeginsSuffix) == 0) continue;
    for (const std::u32string_view suffix : kSuffixes) {
      if (!stands(window, at + n, suffix)) continue;
      // "科苑路" has two that follow each other.
      const size_t end = at + n + suffix.size();
      for (const std::u32string_view second : kSuffixes) {
        if (stands(window, end, second)) return end + second.size();
      }
      return end;
    }
  }
  return at;
}

bool address_word_before(const Window& window) {
  constexpr std::u32string_view kWords[] = {U"地址", U"住址", U"住在", U"家住", U"住所", U"寄到",
                                            U"送到", U"寄往", U"位于", U"地點", U"現居", U"现居"};
  size_t skip = 0;
  while (skip < 3 && (window.before(skip + 1) == U':' || window.before(skip + 1) == U' ' ||
                      window.before(skip + 1) == U'是' || window.before(skip + 1) == U'为' ||
                      window.before(skip + 1) == U'在')) {
    ++skip;
  }
  for (const std::u32string_view word : kWords) {
    for (size_t less = 0; less <= skip; ++less) {
      bool same = true;
      for (size_t i = 0; i < word.size(); ++i) {
        same &= window.before(less + 1 + i) == word[word.size() - 1 - i];
      }
      if (same) return true;
    }
  }
  return false;
}

}  // namespace

void recognize_plate(const Window& window, Offers& offers) {
  if (!is_letter(window[1]) || upper(window[1]) == U'I') return;
  size_t i = 2;
  if (window[i] == U'·' || window[i] == U'.' || window[i] == U' ' || window[i] == U'・') ++i;
  size_t n = 0;
  size_t n_digits = 0;
  while (n < 7 && on_plate(window[i + n])) n_digits += is_digit(window[i + n]) ? 1 : 0, ++n;
  const char32_t last = window[i + n];
  if (n == 4 && n_digits >= 2 &&
      (last == U'挂' || last == U'学' || last == U'警' || last == U'港' || last == U'澳' ||
       last == U'领' || last == U'使')) {
    offers.add(kCnPlate, i + n + 1, 0.9F);
    return;
  }
  if (n_digits < 2 || is_alnum(last)) return;
  if (n == 5) offers.add(kCnPlate, i + n, 0.85F);
  if (n != 6) return;
  // New energy: a letter first (small cars) or last (large ones), digits elsewhere.
  const bool small = is_letter(window[i]) && n_digits >= 4;
  const bool large = is_letter(window[i + 5]) && n_digits == 5;
  if (small || large) offers.add(kCnPlate, i + n, 0.9F);
}

void recognize_person(const Window& window, Offers& offers) {
  size_t skip = 0;
  while (skip < 3 && (window.before(skip + 1) == U':' || window.before(skip + 1) == U' ' ||
                      window.before(skip + 1) == U'"' || window.before(skip + 1) == U'“')) {
    ++skip;
  }
  const uint8_t before = han_begins(window.before(skip + 1));
  if ((before & kEndsNameWord) != 0 && name_word_before(window, skip)) {
    const size_t length = announced_name(window);
    if (length > 0) offers.add(kPerson, length, 0.7F);
  }
  const size_t length = titled_name(window);
  if (length > 0 && (surname(window, 0) == 2 || !is_han(window.before()) ||
                     is_function_character(window.before()))) {
    offers.add(kPerson, length, 0.6F);
  }
}

void recognize_address(const Window& window, Offers& offers) {
  size_t i = region(window, 0);
  const bool announced = address_word_before(window);
  if (i == 0 && !announced) return;
  size_t levels = i > 0 ? 1 : 0;
  for (const std::u32string_view suffix : {U"省", U"市", U"自治区"}) {
    if (i > 0 && stands(window, i, suffix)) {
      i += suffix.size();
      break;
    }
  }
  size_t end = 0;
  // A province, a city, a county; a dozen parts. What goes on is no address, and would take time.
  size_t regions = 1;
  for (int part = 0; part < 12 && i < kMostAddress; ++part) {
    const size_t numbered = numbered_part(window, i);
    if (numbered > i) {
      i = numbered;
      if (levels >= 2 || (announced && levels >= 1)) end = i;
      continue;
    }
    const size_t named = named_part(window, i);
    if (named > i) {
      i = named;
      ++levels;
      continue;
    }
    const size_t city = region(window, i);
    if (city == 0 || ++regions > 3) break;
    i += city;
    ++levels;
  }
  if (end > 0 && end <= kMostAddress) offers.add(kCnAddress, end, 0.7F);
}

}  // namespace autoglm::guard::redact
