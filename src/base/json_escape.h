// The letters of a JSON string (RFC 8259, section 7).
#pragma once

#include <string>
#include <string_view>

namespace autoglm::json {

// `text` with its quotes, backslashes and control characters escaped, byte by byte; appended.
void append_escaped(std::string& out, std::string_view text);

}  // namespace autoglm::json
