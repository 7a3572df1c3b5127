// Who may call: which names the server is called by, which origins' pages may use it, and what a
// page of another site cannot send without asking first. A browser on the same machine can be led
// to any address by a page's author (DNS rebinding, plain forms), so this holds on loopback too.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "autoglm/service.h"
#include "serve/api/errors.h"
#include "serve/http/message.h"

namespace autoglm::serve {

struct AccessRules {
  std::vector<std::string> origins;  // of ServiceOptions::cors_allow_origin; "*": all
  std::vector<std::string> hosts;    // names, in lower case; ".name": those below it; "*": all
};

// "http://localhost:3000, https://chat.example": origins, without what may follow them in an
// address. The error says what was expected.
Result<std::vector<std::string>> parse_origins(std::string_view text);

// An error when an option could not stand in a header.
Result<AccessRules> access_rules(const ServiceOptions& options);

// What the answer to `request` says to browsers: whether its origin may read it, what a preflight
// asked for, and the request's id.
std::vector<Header> answer_headers(const AccessRules& rules, const Request& request);

// Why a request is not served, whatever it asks for. `keys_asked`: a page that was led here from
// elsewhere has no key, so the server may be called by any name.
std::optional<ApiError> access_refusal(const AccessRules& rules, const Request& request,
                                       bool keys_asked);

}  // namespace autoglm::serve
