// What is known of a request before anybody has read its body: whose it is, and where it stands in
// a trace. Work on it, reading it included, takes its turn among tenants.
#pragma once

#include <string>
#include <string_view>

#include "guard/gate.h"
#include "observe/request_observer.h"
#include "serve/http/message.h"

namespace autoglm::serve {

using observe::RequestContext;

// The client's own X-Request-Id, if it can stand in a header and a log; else a new one.
std::string request_id(const Request& request);

// Precondition: the request has its id. `route`: its name, of a fixed set.
RequestContext request_context(const Request& request, std::string_view route,
                               const guard::Principal& principal);

// The spelling of the text that is the member `key` of the object in `json`, escapes and all;
// empty where there is none, or `json` is none. Not a check: the field may be wrong, or lie too far
// behind, where reading the whole body is what a thread of its own should do.
inline constexpr size_t kMostLookedAt = size_t{4} << 20;  // some milliseconds
std::string_view spelled_member(std::string_view json, std::string_view key);

// "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"; empty for what is none: it is then as
// if there were no header.
observe::TraceContext parse_traceparent(std::string_view header);

}  // namespace autoglm::serve
