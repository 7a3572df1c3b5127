// What a server may be told to listen on.
#pragma once

#include <string>
#include <string_view>

#include "autoglm/result.h"

namespace autoglm::serve {

// The address or name to listen on that `host` says: an IPv6 address may stand in brackets. Refused
// is what a resolver would read as something else than it seems: "0" and "1" (0.0.0.0 and 0.0.0.1),
// "*", a port or a scheme beside the name, nothing at all (all addresses).
Result<std::string> listening_host(std::string_view host);

}  // namespace autoglm::serve
