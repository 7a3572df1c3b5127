// Who may call, by keys: the gate that a service's options describe, and what is told of it to
// whoever starts the service.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "autoglm/service.h"
#include "guard/gate.h"
#include "serve/api/errors.h"
#include "serve/http/message.h"

namespace autoglm::serve {

struct KeyRules {
  guard::Gate gate;
  std::string state_folder;  // empty: this machine has none
  std::string notice;        // for people; empty: no key is asked for, and none need be
};

// Makes the first key where the address can be reached from other machines and there is none.
Result<KeyRules> key_rules(const ServiceOptions& options);

// "Authorization: Bearer KEY", else "X-Api-Key: KEY" (beside Basic, say, which a proxy asked for);
// empty: neither.
std::string_view shown_key(const Request& request);

// 401: what a proxy passed on comes from elsewhere, and a server without keys is for its machine.
Response forwarded_response(ErrorForm form);

// 401, 403 or 503.
Response refusal_response(guard::Refusal refusal, guard::Scope scope, ErrorForm form);

}  // namespace autoglm::serve
