// Whose a request is, told from its bytes before anybody has read it: work on it, reading it
// included, takes its turn among tenants.
#pragma once

#include <string>
#include <string_view>

#include "serve/http/message.h"

namespace autoglm::serve {

inline constexpr std::string_view kTenantHeader = "X-Tenant";

// What X-Tenant says, else the field `user` of the body, else nothing. Not a check: the field may
// be wrong, or lie too far behind, where reading the whole body is what a thread of its own should
// do.
std::string tenant_of(const Request& request);

// The spelling of the text that is the member `key` of the object in `json`, escapes and all;
// empty where there is none, or `json` is none. Looks at no more than kMostLookedAt bytes.
inline constexpr size_t kMostLookedAt = size_t{4} << 20;  // some milliseconds
std::string_view spelled_member(std::string_view json, std::string_view key);

}  // namespace autoglm::serve
