// GPT-2's alphabet: each byte as one printable character, so that a vocabulary of characters covers
// all bytes. Printable Latin-1 stands for itself, the other 68 bytes for U+0100 and up.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace autoglm {

// The character for a byte, in UTF-8 (one or two bytes long).
std::string_view byte_level_character(uint8_t byte);
// The byte that a character stands for, if it is one of the 256.
std::optional<uint8_t> byte_level_byte(char32_t character);

void append_byte_level(std::string& out, std::string_view bytes);
// The bytes that `spelling` stands for; a spelling with any other character stands for itself.
std::string byte_level_bytes(std::string_view spelling);

}  // namespace autoglm
