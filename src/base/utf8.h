// UTF-8 taken apart and put together: the one place that knows how its bytes are made. What a
// character is (a letter, a space, upper case) is told by text/tokenizer/unicode.h and, as Python
// sees it, by text/jinja/unicode.h.
//
// Well-formed is what table 3-7 of the Unicode Standard lists. Not well-formed are: a continuation
// byte without a first byte; a sequence that is cut off; an overlong form (C0, C1, E0 80..9F,
// F0 80..8F); a surrogate (ED A0..BF); what lies above U+10FFFF (F4 90..BF, F5 to FF).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace autoglm {

inline constexpr char32_t kLastCodePoint = 0x10FFFF;
inline constexpr char32_t kFirstSurrogate = 0xD800, kLastSurrogate = 0xDFFF;
// What stands for bytes that are not well-formed, U+FFFD.
inline constexpr char32_t kReplacementCharacter = 0xFFFD;
inline constexpr std::string_view kReplacementText = "\xEF\xBF\xBD";

constexpr bool is_surrogate(char32_t c) { return c >= kFirstSurrogate && c <= kLastSurrogate; }
// The code points that well-formed UTF-8 can spell, all 1,112,064 of them.
constexpr bool is_scalar_value(char32_t c) { return c <= kLastCodePoint && !is_surrogate(c); }

// A row of table 3-7 above ASCII: with a first byte in [first, last], the second is in
// [second_first, second_last], and those after it are any continuation bytes.
struct Utf8Row {
  uint8_t first, last;
  uint8_t second_first, second_last;
  uint8_t length;  // bytes of the whole sequence
};
inline constexpr std::array<Utf8Row, 8> kUtf8Rows = {{
    {0xC2, 0xDF, 0x80, 0xBF, 2},
    {0xE0, 0xE0, 0xA0, 0xBF, 3},
    {0xE1, 0xEC, 0x80, 0xBF, 3},
    {0xED, 0xED, 0x80, 0x9F, 3},
    {0xEE, 0xEF, 0x80, 0xBF, 3},
    {0xF0, 0xF0, 0x90, 0xBF, 4},
    {0xF1, 0xF3, 0x80, 0xBF, 4},
    {0xF4, 0xF4, 0x80, 0x8F, 4},
}};
inline constexpr uint8_t kFirstContinuation = 0x80, kLastContinuation = 0xBF;
// The row of a first byte; null for ASCII and for bytes that begin no well-formed sequence.
const Utf8Row* utf8_row(char first);

constexpr bool is_continuation(char byte) { return (static_cast<uint8_t>(byte) & 0xC0) == 0x80; }

// How long well-formed sequences are that begin with this byte: 1 to 4; 0 where none does.
constexpr size_t utf8_length(char first) {
  const auto byte = static_cast<uint8_t>(first);
  if (byte < 0x80) return 1;
  if (byte < 0xC2 || byte > 0xF4) return 0;
  return byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

// A code point and the bytes it takes.
struct Character {
  char32_t code = 0;
  size_t length = 0;
};

// The fast way, which checks nothing. Precondition: `text` is well-formed and `at` is the start of
// a character in it. (Elsewhere the answer means nothing, but no byte behind the text is read.)
inline Character character_at(std::string_view text, size_t at) {
  const auto bits = [&](size_t i) { return static_cast<uint8_t>(text[at + i]) & 0x3FU; };
  const auto lead = static_cast<uint8_t>(text[at]);
  if (lead < 0x80) return {lead, 1};
  const size_t left = text.size() - at;
  if (lead < 0xE0 && left >= 2) return {char32_t{lead & 0x1FU} << 6 | bits(1), 2};
  if (lead < 0xF0 && left >= 3) {
    return {char32_t{lead & 0x0FU} << 12 | bits(1) << 6 | bits(2), 3};
  }
  if (left >= 4) {
    return {char32_t{lead & 0x07U} << 18 | bits(1) << 12 | bits(2) << 6 | bits(3), 4};
  }
  return {lead, 1};
}

// What bytes begin with.
struct Utf8Sequence {
  char32_t code = 0;  // kReplacementCharacter where it is not valid
  size_t length = 0;  // at least 1
  bool valid = false;
};

// The strict way: valid is what is well-formed. What is not is as long as the part that one U+FFFD
// stands for (Unicode 15, section 3.9, table 3-8): all that more bytes could have made well-formed,
// or one byte. Precondition: `bytes` is not empty.
Utf8Sequence decode_utf8(std::string_view bytes);

// By the shape of the bytes alone: overlong forms, surrogates and numbers up to 1FFFFF are valid
// too, and what is not is one byte long. For texts that hold surrogates, as Python's may. Same
// precondition.
Utf8Sequence decode_utf8_loosely(std::string_view bytes);

bool is_ascii(std::string_view text);
bool is_valid_utf8(std::string_view bytes);
// Replaces each part that is not well-formed, as decode_utf8() divides it, by U+FFFD: what Python's
// errors="replace" and Rust's from_utf8_lossy do.
std::string repair_utf8(std::string_view bytes);

// How many bytes at the end begin a well-formed sequence that more bytes could end: 0 to 3.
size_t incomplete_utf8_tail(std::string_view bytes);
// The first bytes of a text, at most so many, that end where a character does.
std::string_view utf8_prefix(std::string_view text, size_t max_bytes);

// Any code up to 1FFFFF, surrogates too: whether it may be written is the caller's to know.
void append_utf8(std::string& out, char32_t code);
struct EncodedCharacter {
  std::array<char, 4> bytes{};
  size_t length = 0;
};
EncodedCharacter encode_utf8(char32_t code);

// All below is about well-formed text; in other text what is no continuation byte begins a
// character.

// Characters that begin in these bytes.
size_t count_characters(std::string_view text);
// Where the character begins that has a byte at `at`. Precondition: at < text.size().
inline size_t character_begin(std::string_view text, size_t at) {
  while (at > 0 && is_continuation(text[at])) --at;
  return at;
}
// The first place at or behind `at` that is not inside a character.
inline size_t character_end(std::string_view text, size_t at) {
  while (at < text.size() && is_continuation(text[at])) ++at;
  return at;
}

}  // namespace autoglm
