// Base64 (RFC 4648, section 4): with padding, without line breaks.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "autoglm/result.h"

namespace autoglm {

std::string encode_base64(std::span<const std::byte> bytes);
// Strict. `where`: for errors.
Result<std::string> decode_base64(std::string_view encoded, std::string_view where);

}  // namespace autoglm
