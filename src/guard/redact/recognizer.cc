#include "guard/redact/recognizer.h"

#include "guard/redact/han_words.h"

namespace autoglm::guard::redact {
namespace {

// Whether the digits at the window's place are in the middle of what is no number of anybody's: the
// fraction of 0.4219..., or hexadecimal digits (an id, a digest).
bool inside_of_another(const Window& window) {
  if (window.before() == U'.' && window.before(2) == U'0' && !is_alnum(window.before(3))) {
    return true;
  }
  constexpr size_t kLeast = 6;
  size_t n = 0;
  bool has_letter = false;
  bool has_digit = false;
  for (; is_alnum(window.before(n + 1)); ++n) {
    if (!is_hex(window.before(n + 1))) return false;
    (is_digit(window.before(n + 1)) ? has_digit : has_letter) = true;
  }
  return n >= kLeast && has_letter && has_digit;
}

}  // namespace

void recognize(const Window& window, Offers& offers) {
  using enum Entity;
  const char32_t first = window[0];
  if (first < 0x80) {
    const char32_t previous = window.before();
    if (is_digit(first) || first == U'+' || first == U'(') {
      if (!is_digit(previous) && !inside_of_another(window)) recognize_numbers(window, offers);
    }
    if (is_alnum(first)) {
      if (is_digit(first) && is_letter(previous)) recognize_behind_letters(window, offers);
      if (is_alnum(previous)) return;
      recognize_network(window, offers);
      recognize_codes(window, offers);
      recognize_secrets(window, offers);
    } else if (first == U'-') {
      if (offers.wants(kPrivateKey)) recognize_pem(window, offers);
    }
    return;
  }
  const uint8_t begins = han_begins(first);
  if (begins == 0 && !is_han(first)) return;
  if ((begins & kIsNumeral) != 0) recognize_numbers(window, offers);
  if ((begins & kBeginsPlate) != 0 && offers.wants(kCnPlate)) recognize_plate(window, offers);
  if ((begins & kBeginsSurname) != 0 && offers.wants(kPerson)) recognize_person(window, offers);
  if (offers.wants(kCnAddress)) {
    const char32_t previous = window.before();
    const bool may_be_announced = !is_han(previous) || previous == U'址' || previous == U'在' ||
                                  previous == U'住' || previous == U'到' || previous == U'往' ||
                                  previous == U'于' || previous == U'是' || previous == U'为' ||
                                  previous == U'居' || previous == U'所';
    if ((begins & kBeginsRegion) != 0 || may_be_announced) recognize_address(window, offers);
  }
}

}  // namespace autoglm::guard::redact
