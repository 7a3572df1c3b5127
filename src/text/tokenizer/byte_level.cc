// The alphabet's two tables, made once.
#include "text/tokenizer/byte_level.h"

#include <array>

#include "base/utf8.h"

namespace autoglm {
namespace {

constexpr size_t kAlphabetEnd = 0x144;  // U+0100 and 68 more

struct Alphabet {
  std::array<std::string, 256> character;
  std::array<int16_t, kAlphabetEnd> byte{};

  Alphabet() {
    byte.fill(-1);
    char32_t next = 0x100;
    for (int16_t b = 0; b < 256; ++b) {
      const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      const char32_t c = printable ? static_cast<char32_t>(b) : next++;
      append_utf8(character[static_cast<size_t>(b)], c);
      byte[c] = b;
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet instance;
  return instance;
}

}  // namespace

std::string_view byte_level_character(uint8_t byte) { return alphabet().character[byte]; }

std::optional<uint8_t> byte_level_byte(char32_t character) {
  if (character >= kAlphabetEnd || alphabet().byte[character] < 0) return std::nullopt;
  return static_cast<uint8_t>(alphabet().byte[character]);
}

void append_byte_level(std::string& out, std::string_view bytes) {
  const Alphabet& letters = alphabet();
  for (const char c : bytes) out += letters.character[static_cast<uint8_t>(c)];
}

std::string byte_level_bytes(std::string_view spelling) {
  std::string bytes;
  for (size_t i = 0; i < spelling.size();) {
    const Character c = character_at(spelling, i);
    const std::optional<uint8_t> byte = byte_level_byte(c.code);
    if (!byte) return std::string(spelling);
    bytes += static_cast<char>(*byte);
    i += c.length;
  }
  return bytes;
}

}  // namespace autoglm
