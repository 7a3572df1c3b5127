// Keys: by the prefixes that providers give them, by the armour of PEM, by the form of a JSON web
// token, and what is random and assigned to a name that speaks of a secret. What is longer than a
// stream may wait for is replaced when it is certain, and swallowed to its end.
#include <algorithm>
#include <cmath>
#include <string_view>

#include "guard/redact/context.h"
#include "guard/redact/recognizer.h"

namespace autoglm::guard::redact {
namespace {

using enum Entity;
constexpr size_t kLongest = 200;  // held at most; the rest is swallowed

bool is_token(char32_t c) { return is_alnum(c) || c == U'_' || c == U'-'; }

size_t token_run(const Window& window, size_t at) {
  size_t n = 0;
  while (at + n < kLongest && is_token(window[at + n])) ++n;
  return n;
}

enum class Alphabet : uint8_t { kUpper, kHex, kAlnum, kToken };
struct Provider {
  std::string_view prefix;
  uint8_t shortest;  // characters behind it
  Alphabet alphabet;
  bool exact = false;  // as it is written: capitals too
};
constexpr Provider kProviders[] = {
    {"AKIA", 16, Alphabet::kUpper, true},  {"ASIA", 16, Alphabet::kUpper, true},
    {"ABIA", 16, Alphabet::kUpper, true},  {"ACCA", 16, Alphabet::kUpper, true},
    {"ghp_", 36, Alphabet::kAlnum},        {"gho_", 36, Alphabet::kAlnum},
    {"ghu_", 36, Alphabet::kAlnum},        {"ghs_", 36, Alphabet::kAlnum},
    {"ghr_", 36, Alphabet::kAlnum},        {"github_pat_", 60, Alphabet::kToken},
    {"glpat-", 20, Alphabet::kToken},      {"AIza", 35, Alphabet::kToken, true},
    {"sk-ant-", 40, Alphabet::kToken},     {"sk-proj-", 40, Alphabet::kToken},
    {"sk-svcacct-", 40, Alphabet::kToken}, {"sk-admin-", 40, Alphabet::kToken},
    {"sk-or-v1-", 40, Alphabet::kHex},     {"sk-", 32, Alphabet::kAlnum},
    {"hf_", 34, Alphabet::kAlnum},         {"xoxb-", 20, Alphabet::kToken},
    {"xoxp-", 20, Alphabet::kToken},       {"xoxa-", 20, Alphabet::kToken},
    {"xapp-", 20, Alphabet::kToken},       {"sk_live_", 16, Alphabet::kAlnum},
    {"sk_test_", 16, Alphabet::kAlnum},    {"rk_live_", 16, Alphabet::kAlnum},
    {"rk_test_", 16, Alphabet::kAlnum},    {"LTAI", 16, Alphabet::kAlnum, true},
    {"AKID", 32, Alphabet::kAlnum, true},  {"AKLT", 32, Alphabet::kAlnum, true},
    {"npm_", 36, Alphabet::kAlnum},        {"pypi-", 50, Alphabet::kToken},
    {"dapi", 32, Alphabet::kHex},          {"hvs.", 40, Alphabet::kToken},
    {"pplx-", 40, Alphabet::kAlnum},       {"gsk_", 40, Alphabet::kAlnum},
    {"r8_", 37, Alphabet::kAlnum},         {"nvapi-", 40, Alphabet::kToken},
    {"dop_v1_", 64, Alphabet::kHex},       {"AGE-SECRET-KEY-1", 58, Alphabet::kUpper, true},
    {"aglm_", 50, Alphabet::kToken},  // ours
};

bool belongs(char32_t c, Alphabet alphabet) {
  switch (alphabet) {
    case Alphabet::kUpper: return is_digit(c) || is_upper(c);
    case Alphabet::kHex: return is_hex(c);
    case Alphabet::kAlnum: return is_alnum(c);
    case Alphabet::kToken: return is_token(c);
  }
  return false;
}

bool stands(const Window& window, const Provider& provider) {
  if (!provider.exact) return window.has(0, provider.prefix);
  for (size_t i = 0; i < provider.prefix.size(); ++i) {
    if (window[i] != static_cast<char32_t>(provider.prefix[i])) return false;
  }
  return true;
}

void provider_key(const Window& window, Offers& offers) {
  for (const Provider& provider : kProviders) {
    if (lower(window[0]) != lower(static_cast<char32_t>(provider.prefix.front()))) continue;
    if (!stands(window, provider)) continue;
    const size_t from = provider.prefix.size();
    size_t n = 0;
    bool digits = false;
    while (from + n < kLongest && belongs(window[from + n], provider.alphabet)) {
      digits |= is_digit(window[from + n]);
      ++n;
    }
    if (n < provider.shortest) continue;
    // hf_ and sk- with a long word behind them are names.
    if (!digits && provider.alphabet != Alphabet::kUpper && provider.prefix != "hf_") continue;
    const size_t length = from + token_run(window, from);
    const bool more = length >= kLongest;
    offers.add(kApiKey, length, 0.95F, more ? Tail::kToken : Tail::kNone);
    return;
  }
}

// 32 hexadecimal digits, a dot, 16 letters and digits.
void zhipu_key(const Window& window, Offers& offers) {
  size_t n = 0;
  while (n < 33 && is_hex(window[n]) && !is_upper(window[n])) ++n;
  if (n != 32 || window[32] != U'.') return;
  size_t m = 0;
  while (m < 17 && is_alnum(window[33 + m])) ++m;
  if (m == 16) offers.add(kApiKey, 49, 0.95F);
}

// Three parts of base64url with dots between; the first two are JSON objects and begin so.
void jwt(const Window& window, Offers& offers) {
  if (window[0] != U'e' || window[1] != U'y') return;
  size_t i = token_run(window, 0);
  if (i < 10) return;
  if (i < kLongest) {
    if (window[i] != U'.' || window[i + 1] != U'e' || window[i + 2] != U'y') return;
    ++i;
    while (i < kLongest && (is_token(window[i]) || window[i] == U'.')) ++i;
    while (window[i - 1] == U'.') --i;
  }
  if (i < 20) return;
  offers.add(kJwt, i, 0.95F, i >= kLongest ? Tail::kToken : Tail::kNone);
}

// Shannon's, in bits a character.
double entropy(const Window& window, size_t n) {
  std::array<uint8_t, 128> count{};
  for (size_t i = 0; i < n; ++i) ++count[window[i] & 0x7F];
  double bits = 0;
  for (const uint8_t c : count) {
    if (c == 0) continue;
    const double share = static_cast<double>(c) / static_cast<double>(n);
    bits -= share * std::log2(share);
  }
  return bits;
}

// Whether what stands before the place assigns: the distance of the name's end; 0: it does not.
size_t assignment(const Window& window) {
  constexpr size_t kMost = 8;
  size_t i = 1;
  bool assigns = false;
  while (i <= kMost) {
    const char32_t c = window.before(i);
    if (c == U'=' || c == U':' || c == U'是' || c == U'为') {
      assigns = true;
    } else if (c != U' ' && c != U'"' && c != U'\'' && c != U'>' && c != U'`' && c != U'“') {
      break;
    }
    ++i;
  }
  return assigns ? i : 0;
}

bool names_secret(const Window& window, size_t at) {
  constexpr std::u32string_view kWords[] = {
      U"password",   U"passwd",   U"secret",     U"token",     U"apikey",     U"api_key",
      U"api-key",    U"api key",  U"access_key", U"accesskey", U"access-key", U"private_key",
      U"credential", U"auth_key", U"密码",       U"口令",      U"密钥",       U"令牌"};
  constexpr size_t kMostName = 40;
  size_t n = 0;
  while (n < kMostName) {
    const char32_t c = window.before(at + n);
    if (!is_token(c) && !is_han(c) && c != U' ' && c != U'.') break;
    for (const std::u32string_view word : kWords) {
      if (ends_with(window, word, at - 1 + n)) return true;
    }
    ++n;
  }
  return false;
}

void assigned_secret(const Window& window, Offers& offers) {
  const size_t name = assignment(window);
  if (name == 0) return;
  constexpr size_t kShortest = 16;
  constexpr double kLeastEntropy = 3.5;
  size_t n = 0;
  size_t digits = 0;
  size_t letters = 0;
  size_t capitals = 0;
  size_t turns = 0;  // from letters to digits and back: words have few
  char32_t last = 0;
  while (n < kLongest) {
    const char32_t c = window[n];
    if (!is_token(c) && c != U'+' && c != U'/' && c != U'=') break;
    digits += is_digit(c) ? 1 : 0;
    letters += is_letter(c) ? 1 : 0;
    capitals += is_upper(c) ? 1 : 0;
    if (n > 0 && is_digit(c) != is_digit(last)) ++turns;
    last = c;
    ++n;
  }
  if (n < kShortest || digits == 0 || letters < 2) return;
  // Base64 of 30 bytes may have a single digit; it then has capitals all over.
  const bool mixed = digits >= 2 && turns >= 3;
  const bool base64 = n >= 32 && capitals >= 8 && letters - capitals >= 8;
  if (!mixed && !base64) return;
  const char32_t next = window[n];
  if (next == U'(' || next == U'.' || next == U'[') return;  // an expression
  if (!names_secret(window, name) || entropy(window, n) < (mixed ? kLeastEntropy : 4.0)) return;
  offers.add(kSecret, n, 0.7F, n >= kLongest ? Tail::kToken : Tail::kNone);
}

}  // namespace

void recognize_secrets(const Window& window, Offers& offers) {
  if (offers.wants(kApiKey)) {
    provider_key(window, offers);
    zhipu_key(window, offers);
  }
  if (offers.wants(kJwt)) jwt(window, offers);
  if (offers.wants(kSecret)) assigned_secret(window, offers);
}

void recognize_pem(const Window& window, Offers& offers) {
  if (window.before() == U'-' || !window.has(0, "-----")) return;
  size_t i = 5;
  if (!window.has(i, "begin ")) return;
  i += 6;
  constexpr size_t kMostLine = 58;
  while (i < kMostLine && !window.has(i, "private key")) {
    if (!is_alnum(window[i]) && window[i] != U' ') return;
    ++i;
  }
  if (i >= kMostLine) return;
  i += 11;
  if (window.has(i, " block")) i += 6;
  if (!window.has(i, "-----")) return;
  offers.add(kPrivateKey, i + 5, 1, Tail::kPem);
}

bool TailReader::takes(char32_t code) {
  constexpr size_t kMostTaken = 16384;  // no key is longer, and a text must not vanish
  bool taken = ++taken_ <= kMostTaken;
  if (tail_ == Tail::kToken) {
    taken &= is_token(code) || code == U'.' || code == U'+' || code == U'/' || code == U'=';
  } else {
    // "-----END ... KEY-----"; behind it nothing belongs to the key.
    if (lines_ >= 2 && code != U'-') taken = false;
    dashes_ = code == U'-' ? dashes_ + 1 : 0;
    if (dashes_ == 5) ++lines_;
    taken &= is_alnum(code) || is_space(code) || code == U'+' || code == U'/' || code == U'=' ||
             code == U'-' || code == U':' || code == U',' || code == U'\\';
  }
  if (!taken) tail_ = Tail::kNone;
  return taken;
}

}  // namespace autoglm::guard::redact
