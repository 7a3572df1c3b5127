// Splitting and replacing text as Python's str does. Parts point into the text.
#pragma once

#include <string_view>
#include <vector>

#include "text/jinja/value.h"

namespace autoglm::jinja {

// A negative limit is none.
std::vector<std::string_view> split_text(std::string_view text, std::string_view separator,
                                         int64_t limit);
std::vector<std::string_view> split_from_end(std::string_view text, std::string_view separator,
                                             int64_t limit);
std::vector<std::string_view> split_spaces(std::string_view text, int64_t limit);
std::vector<std::string_view> split_spaces_from_end(std::string_view text, int64_t limit);
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);

// A list of strings.
Result<Value> make_parts(Interpreter& interpreter, const std::vector<std::string_view>& parts);

Result<std::string> replace_text(Interpreter& interpreter, std::string_view text,
                                 std::string_view from, std::string_view to, int64_t limit);

}  // namespace autoglm::jinja
