#include "guard/api_key.h"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <boost/crc.hpp>
#include <cstdint>

namespace autoglm::guard {
namespace {

constexpr std::string_view kPrefix = "aglm_";
constexpr std::string_view kDigits =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr size_t kIdLength = 8;
constexpr size_t kSecretLength = 43;  // 256 bits in base 62
constexpr size_t kCheckLength = 6;
constexpr size_t kLength = kPrefix.size() + kIdLength + 1 + kSecretLength + kCheckLength;

// By CRC-32, which scanners of published keys compute.
std::string check_of(std::string_view text) {
  boost::crc_32_type crc;
  crc.process_bytes(text.data(), text.size());
  std::string digits(kCheckLength, '0');
  uint32_t rest = crc.checksum();
  for (size_t i = kCheckLength; i > 0; --i, rest /= 62) digits[i - 1] = kDigits[rest % 62];
  return digits;
}

Result<std::string> random_digits(size_t n) {
  // Bytes from 248 on are thrown away: the rest is a whole number of times 62.
  constexpr unsigned char kMost = 248;
  std::string digits;
  std::array<unsigned char, 64> bytes;
  while (digits.size() < n) {
    if (::RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
      return Error{ErrorCode::kUnavailable, "the system gives no random bytes", "key", "", ""};
    }
    for (const unsigned char byte : bytes) {
      if (byte < kMost && digits.size() < n) digits.push_back(kDigits[byte % 62]);
    }
  }
  return digits;
}

}  // namespace

Result<ApiKey> make_api_key() {
  ApiKey key;
  key.id = AGLM_TRY(random_digits(kIdLength));
  const std::string secret = AGLM_TRY(random_digits(kSecretLength));
  key.text = std::string(kPrefix) + key.id + "_" + secret;
  key.text += check_of(key.text);
  return key;
}

std::optional<std::string> api_key_id(std::string_view text) {
  if (text.size() != kLength || !text.starts_with(kPrefix)) return std::nullopt;
  const std::string_view id = text.substr(kPrefix.size(), kIdLength);
  if (text[kPrefix.size() + kIdLength] != '_') return std::nullopt;
  if (id.find_first_not_of(kDigits) != std::string_view::npos) return std::nullopt;
  const std::string_view checked = text.substr(0, kLength - kCheckLength);
  if (text.substr(kLength - kCheckLength) != check_of(checked)) return std::nullopt;
  return std::string(id);
}

}  // namespace autoglm::guard
