// Addresses of people and machines: e-mail (RFC 5321 by form), IPv4, IPv6 (RFC 4291), MAC.
#include <algorithm>

#include "guard/redact/context.h"
#include "guard/redact/recognizer.h"

namespace autoglm::guard::redact {
namespace {

using enum Entity;
constexpr size_t kMostLocal = 64;  // of an address, before the @
constexpr size_t kMostAddress = 254;
constexpr size_t kMostLabel = 63;

bool is_local(char32_t c) {
  return is_alnum(c) || c == U'.' || c == U'_' || c == U'%' || c == U'+' || c == U'-';
}

// The end of the domain that begins at `at`, or `at`: labels with dots between them, of which the
// last is letters (or xn--...).
size_t domain_end(const Window& window, size_t at) {
  size_t end = at;
  size_t i = at;
  bool dotted = false;
  while (i < kMostAddress) {
    const size_t label = i;
    bool letters = true;
    while (i - label <= kMostLabel && (is_alnum(window[i]) || window[i] == U'-')) {
      letters &= is_letter(window[i]);
      ++i;
    }
    const size_t length = i - label;
    if (length == 0 || length > kMostLabel || window[label] == U'-' || window[i - 1] == U'-') break;
    if (dotted && length >= 2 && (letters || window.has(label, "xn--"))) end = i;
    if (window[i] != U'.') break;
    dotted = true;
    ++i;
  }
  return end;
}

void email(const Window& window, Offers& offers) {
  size_t i = 0;
  while (i <= kMostLocal && is_local(window[i])) ++i;
  if (i > kMostLocal || window[i] != U'@' || window[i - 1] == U'.') return;
  const size_t end = domain_end(window, i + 1);
  if (end > i + 1) offers.add(kEmail, end, 1);
}

// The end of "e x a m p l e . c n" there, or `at`: the last label has two letters at least.
size_t spaced_domain_end(const Window& window, size_t at) {
  size_t i = at;
  size_t letters = 0;  // in a row, behind a dot
  bool dotted = false;
  while (i < kMostAddress && (is_alnum(window[i]) || window[i] == U'.' || window[i] == U'-')) {
    if (is_alnum(window[i + 1])) break;  // a word
    if (window[i] == U'.') dotted = true;
    letters = is_letter(window[i]) ? letters + 1 : 0;
    if (window[i + 1] != U' ') return dotted && letters >= 2 ? i + 1 : at;
    i += 2;
  }
  return dotted && letters >= 2 ? i - 1 : at;
}

// "l i . w e i @ example . cn": letters spaced so that no scanner finds them.
void spaced_email(const Window& window, Offers& offers) {
  size_t i = 0;
  while (i <= 2 * kMostLocal && is_local(window[i]) && window[i + 1] == U' ') i += 2;
  if (i < 4 || window[i] != U'@') return;
  ++i;
  if (window[i] == U' ') ++i;
  size_t end = domain_end(window, i);
  if (end == i) end = spaced_domain_end(window, i);
  if (end > i) offers.add(kEmail, end, 0.8F);
}

// The value of up to three digits; none: -1.
int octet(const Window& window, size_t& i) {
  int value = 0;
  const size_t from = i;
  while (i < from + 3 && is_digit(window[i]))
    value = value * 10 + static_cast<int>(window[i++] - U'0');
  return i == from || is_digit(window[i]) || value > 255 ? -1 : value;
}

void ipv4(const Window& window, Offers& offers) {
  if (window.before() == U'.' && is_alnum(window.before(2))) return;
  std::array<int, 4> octets{};
  size_t i = 0;
  for (size_t k = 0; k < 4; ++k) {
    if (k > 0 && window[i++] != U'.') return;
    octets[k] = octet(window, i);
    if (octets[k] < 0) return;
  }
  // A fifth part makes it a version; a letter, a name.
  if ((window[i] == U'.' && is_alnum(window[i + 1])) || is_letter(window[i])) return;
  const bool nobody = octets[0] == 0 || octets[0] == 127 || octets[0] >= 240;
  if (nobody) return;
  const bool small =
      std::all_of(octets.begin(), octets.end(), [](int value) { return value < 20; });
  float score = small || window.before() == U'v' ? 0.3F : 0.6F;
  if (score < 0.5F && speaks_of(window, Topic::kIp)) score += 0.35F;
  offers.add(kIp, i, score);
}

void ipv6(const Window& window, Offers& offers) {
  if (window.before() == U':') return;
  size_t i = 0;
  size_t groups = 0;
  size_t n_digits = 0;
  size_t first_length = 0;
  bool elided = false;
  size_t end = 0;
  while (groups < 9) {
    size_t n = 0;
    while (n <= 4 && is_hex(window[i + n])) n_digits += is_digit(window[i + n]) ? 1 : 0, ++n;
    if (n == 0 || n > 4) break;
    if (groups == 0) first_length = n;
    ++groups;
    i += n;
    end = i;
    if (window[i] != U':') break;
    ++i;
    if (window[i] == U':' && !elided) {
      elided = true;
      ++i;
      end = i;
    }
  }
  if (is_alnum(window[end]) || groups > 8 || n_digits == 0) return;
  if (elided ? groups < 2 || groups > 7 || first_length < 2 : groups != 8) return;
  // "10::2" is a slice of a list.
  if (elided && end < 7) return;
  if (window[end] == U'%') {  // a zone
    size_t n = 0;
    while (n < 9 && is_alnum(window[end + 1 + n])) ++n;
    if (n > 0 && n < 9) end += 1 + n;
  }
  offers.add(kIp, end, 0.7F);
}

void mac(const Window& window, Offers& offers) {
  const char32_t mark = window[2];
  if (mark == U':' || mark == U'-') {
    if (window.before() == mark) return;
    for (size_t pair = 0; pair < 6; ++pair) {
      const size_t at = pair * 3;
      if (!is_hex(window[at]) || !is_hex(window[at + 1])) return;
      if (pair < 5 && window[at + 2] != mark) return;
    }
    if (is_alnum(window[17]) || (window[17] == mark && is_hex(window[18]))) return;
    offers.add(kMac, 17, 0.7F);
    return;
  }
  if (window[4] != U'.' || window.before() == U'.') return;
  bool letters = false;
  for (size_t i = 0; i < 14; ++i) {
    if (i == 4 || i == 9 ? window[i] != U'.' : !is_hex(window[i])) return;
    letters |= is_letter(window[i]);
  }
  if (is_alnum(window[14]) || window[14] == U'.') return;
  if (letters || speaks_of(window, Topic::kMac)) offers.add(kMac, 14, 0.6F);
}

}  // namespace

void recognize_network(const Window& window, Offers& offers) {
  if (offers.wants(kEmail)) {
    email(window, offers);
    if (window[1] == U' ' && is_alnum(window[2])) spaced_email(window, offers);
  }
  const char32_t first = window[0];
  if (!is_hex(first)) return;
  if (is_digit(first) && offers.wants(kIp)) ipv4(window, offers);
  if (!is_hex(window[1])) return;
  if (offers.wants(kIp)) ipv6(window, offers);
  if (offers.wants(kMac)) mac(window, offers);
}

}  // namespace autoglm::guard::redact
