// Splitting and replacing text as Python's str does. Parts point into the text.
#pragma once

#include <string_view>
#include <vector>

#include "text/jinja/value.h"

namespace autoglm::jinja {

using Parts = std::vector<std::string_view>;

// A negative limit is none. More parts than a list may hold are an error. The separator is not
// empty.
Result<Parts> split_text(Interpreter& interpreter, std::string_view text,
                         std::string_view separator, int64_t limit = -1);
Result<Parts> split_from_end(Interpreter& interpreter, std::string_view text,
                             std::string_view separator, int64_t limit);
Result<Parts> split_spaces(Interpreter& interpreter, std::string_view text, int64_t limit);
Result<Parts> split_spaces_from_end(Interpreter& interpreter, std::string_view text, int64_t limit);
Result<Parts> split_lines(Interpreter& interpreter, std::string_view text, bool keep_ends);

// A list of strings.
Result<Value> make_parts(Interpreter& interpreter, const Parts& parts);

Result<std::string> replace_text(Interpreter& interpreter, std::string_view text,
                                 std::string_view from, std::string_view to, int64_t limit);

}  // namespace autoglm::jinja
