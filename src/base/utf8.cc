#include "base/utf8.h"

#include <algorithm>

namespace autoglm {
namespace {

// The number of each byte's row, from 1; 0 where it has none. A search through the rows would be
// felt by texts that are not English.
constexpr std::array<uint8_t, 256> kRowOf = [] {
  std::array<uint8_t, 256> row_of{};
  for (size_t row = 0; row < kUtf8Rows.size(); ++row) {
    for (size_t byte = kUtf8Rows[row].first; byte <= kUtf8Rows[row].last; ++byte) {
      row_of[byte] = static_cast<uint8_t>(row + 1);
    }
  }
  return row_of;
}();

}  // namespace

const Utf8Row* utf8_row(char first) {
  const uint8_t number = kRowOf[static_cast<uint8_t>(first)];
  return number == 0 ? nullptr : &kUtf8Rows[number - 1U];
}

Utf8Sequence decode_utf8(std::string_view bytes) {
  const auto lead = static_cast<uint8_t>(bytes[0]);
  if (lead < 0x80) return {lead, 1, true};
  const Utf8Row* row = utf8_row(bytes[0]);
  if (row == nullptr) return {kReplacementCharacter, 1, false};
  char32_t code = lead & (0x7FU >> row->length);
  uint8_t low = row->second_first, high = row->second_last;
  for (size_t i = 1; i < row->length; ++i) {
    const auto byte = i < bytes.size() ? static_cast<uint8_t>(bytes[i]) : uint8_t{0};
    if (byte < low || byte > high) return {kReplacementCharacter, i, false};
    code = code << 6 | (byte & 0x3FU);
    low = kFirstContinuation;
    high = kLastContinuation;
  }
  return {code, row->length, true};
}

Utf8Sequence decode_utf8_loosely(std::string_view bytes) {
  const auto lead = static_cast<uint8_t>(bytes[0]);
  if (lead < 0x80) return {lead, 1, true};
  const size_t length = lead < 0xC0 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF8 ? 4 : 0;
  const std::string_view others = bytes.substr(1, std::max<size_t>(length, 1) - 1);
  if (length == 0 || others.size() + 1 < length || !std::ranges::all_of(others, is_continuation)) {
    return {kReplacementCharacter, 1, false};
  }
  char32_t code = lead & (0x7FU >> length);
  for (const char byte : others) code = code << 6 | (static_cast<uint8_t>(byte) & 0x3FU);
  return {code, length, true};
}

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char byte) { return static_cast<uint8_t>(byte) < 0x80; });
}

bool is_valid_utf8(std::string_view bytes) {
  for (size_t i = 0; i < bytes.size();) {
    const Utf8Sequence next = decode_utf8(bytes.substr(i));
    if (!next.valid) return false;
    i += next.length;
  }
  return true;
}

std::string repair_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size();) {
    const Utf8Sequence next = decode_utf8(bytes.substr(i));
    if (next.valid) {
      out.append(bytes, i, next.length);
    } else {
      out += kReplacementText;
    }
    i += next.length;
  }
  return out;
}

size_t incomplete_utf8_tail(std::string_view bytes) {
  if (bytes.empty()) return 0;
  bytes.remove_prefix(bytes.size() - std::min<size_t>(bytes.size(), 3));
  const size_t begin = character_begin(bytes, bytes.size() - 1);
  const std::string_view tail = bytes.substr(begin);
  // Well-formed as far as it goes, and not as far as its first byte says.
  const bool incomplete =
      tail.size() < utf8_length(tail[0]) && decode_utf8(tail).length == tail.size();
  return incomplete ? tail.size() : 0;
}

std::string_view utf8_prefix(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  text = text.substr(0, max_bytes);
  text.remove_suffix(incomplete_utf8_tail(text));
  return text;
}

EncodedCharacter encode_utf8(char32_t code) {
  if (code < 0x80) return {{static_cast<char>(code)}, 1};
  const size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  EncodedCharacter encoded{.length = length};
  for (size_t i = length - 1; i > 0; --i, code >>= 6) {
    encoded.bytes[i] = static_cast<char>(0x80 | (code & 0x3F));
  }
  constexpr std::array<uint8_t, 5> kLead{0, 0, 0xC0, 0xE0, 0xF0};
  encoded.bytes[0] = static_cast<char>(kLead[length] | code);
  return encoded;
}

void append_utf8(std::string& out, char32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
    return;
  }
  const EncodedCharacter encoded = encode_utf8(code);
  out.append(encoded.bytes.data(), encoded.length);
}

size_t count_characters(std::string_view text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char byte) { return !is_continuation(byte); }));
}

}  // namespace autoglm
