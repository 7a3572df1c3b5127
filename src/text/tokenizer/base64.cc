// Six bits a character.
#include "text/tokenizer/base64.h"

#include <array>
#include <cstdint>

namespace autoglm {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<int8_t, 256> values() {
  std::array<int8_t, 256> table{};
  for (int8_t& v : table) v = -1;
  for (size_t i = 0; i < kAlphabet.size(); ++i) {
    table[static_cast<uint8_t>(kAlphabet[i])] = static_cast<int8_t>(i);
  }
  return table;
}

}  // namespace

Result<std::string> decode_base64(std::string_view encoded, std::string_view where) {
  static constexpr std::array<int8_t, 256> kValues = values();
  const auto wrong = [&] {
    return Error{ErrorCode::kCorrupt, "base64 is malformed", std::string(where),
                 "groups of four characters", std::string(encoded.substr(0, 40))};
  };
  if (encoded.size() % 4 != 0) return wrong();
  size_t n_padding = 0;
  while (n_padding < 2 && n_padding < encoded.size() && encoded.ends_with('=')) {
    encoded.remove_suffix(1);
    ++n_padding;
  }
  std::string bytes;
  bytes.reserve(encoded.size() / 4 * 3 + 3);
  uint32_t bits = 0;
  int n_bits = 0;
  for (const char c : encoded) {
    const int8_t value = kValues[static_cast<uint8_t>(c)];
    if (value < 0) return wrong();
    bits = bits << 6 | static_cast<uint32_t>(value);
    n_bits += 6;
    if (n_bits >= 8) {
      n_bits -= 8;
      bytes += static_cast<char>(bits >> n_bits & 0xFF);
    }
  }
  return bytes;
}

}  // namespace autoglm
