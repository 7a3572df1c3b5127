// Words near a number that say what it is. They are looked for only where a recognizer has found
// something that is not certain by itself.
#pragma once

#include <cstddef>
#include <cstdint>

#include "guard/redact/window.h"

namespace autoglm::guard::redact {

enum class Topic : uint8_t {
  kResidentId,
  kPhone,
  kBankCard,
  kCreditCode,
  kPassport,
  kPermit,
  kHkId,
  kTwId,
  kSsn,
  kRouting,
  kNhs,
  kAadhaar,
  kSin,
  kIp,
  kMac,
};

// Whether one of the topic's words stands before the window's place: Han words within 16
// characters, others within 40.
bool speaks_of(const Window& window, Topic topic);

// Whether the text before the place is `word`, whose letters are small; `skip`: of so many
// characters between.
bool ends_with(const Window& window, std::u32string_view word, size_t skip);

}  // namespace autoglm::guard::redact
