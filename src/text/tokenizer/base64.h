// Base64 (RFC 4648, section 4), strict.
#pragma once

#include <string>
#include <string_view>

#include "autoglm/result.h"

namespace autoglm {

Result<std::string> decode_base64(std::string_view encoded, std::string_view where);

}  // namespace autoglm
