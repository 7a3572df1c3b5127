// An API key as text: "aglm_", 8 characters that name it, "_", 43 random ones that are the secret,
// and 6 that check the rest, so that a key cut short or mistyped is told from a wrong one, and
// scanners find keys that somebody has published.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "autoglm/result.h"

namespace autoglm::guard {

struct ApiKey {
  std::string id;    // may be shown and logged
  std::string text;  // all of it
};

// Errors: the system has no random bytes.
Result<ApiKey> make_api_key();

// The id of `text`; nothing where it has not the form of a key, or its check is wrong.
std::optional<std::string> api_key_id(std::string_view text);

}  // namespace autoglm::guard
