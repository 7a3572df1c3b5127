// JSON values to text for answers, and token bytes to strings that JSON can hold.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace autoglm::serve {

// Compact JSON with the shortest decimal that reads back as the same double (Boost.JSON's own
// serializer writes 0.5 as 5E-1). Infinities, which JSON lacks, become -9999 or 9999.
std::string dump(const json::value& value);

// A float as the double whose shortest decimal is the float's own: -0.1, not -0.10000000149.
json::value shortest(float number);

// Bytes that are no UTF-8 become U+FFFD, one for each maximal broken part.
std::string printable_utf8(std::string_view bytes);
bool is_utf8(std::string_view bytes);
// Characters that begin in these bytes.
int64_t count_characters(std::string_view bytes);

}  // namespace autoglm::serve
