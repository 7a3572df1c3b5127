// Finding text in text, in a time that is linear in both for all but the shortest needles, where a
// hostile text costs some nanoseconds a byte. Whoever charges for work takes such a byte for eight.
#pragma once

#include <string_view>

namespace autoglm {

// The first place at or behind `from`; npos when there is none.
size_t find_text(std::string_view text, std::string_view needle, size_t from = 0);
size_t find_last_text(std::string_view text, std::string_view needle);

}  // namespace autoglm
