#include "base/base64.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cctype>
#include <limits>

#include "base/check.h"

namespace autoglm {
namespace {

// OpenSSL counts in int, and skips white space, which no text of ours has.
constexpr size_t kMaxBytes = std::numeric_limits<int>::max() / 2;

bool is_digit(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '+' || c == '/';
}

}  // namespace

std::string encode_base64(std::span<const std::byte> bytes) {
  AGLM_CHECK(bytes.size() <= kMaxBytes, "{} bytes in base64", bytes.size());
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // OpenSSL ends it with a zero
  const int n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                reinterpret_cast<const unsigned char*>(bytes.data()),
                                static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(n));
  return text;
}

Result<std::string> decode_base64(std::string_view encoded, std::string_view where) {
  const auto wrong = [&] {
    return Error{ErrorCode::kCorrupt, "base64 is malformed", std::string(where),
                 "groups of four characters", std::string(encoded.substr(0, 40))};
  };
  std::string_view digits = encoded;
  for (int i = 0; i < 2 && digits.ends_with('='); ++i) digits.remove_suffix(1);
  if (encoded.size() % 4 != 0 || encoded.size() > kMaxBytes) return wrong();
  if (!std::ranges::all_of(digits, is_digit)) return wrong();
  std::string bytes(encoded.size() / 4 * 3, '\0');
  const int n = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                reinterpret_cast<const unsigned char*>(encoded.data()),
                                static_cast<int>(encoded.size()));
  if (n < 0) return wrong();
  bytes.resize(static_cast<size_t>(n) - (encoded.size() - digits.size()));
  return bytes;
}

}  // namespace autoglm
