// Python's literals as JSON: what ChatGLM3 writes its arguments in.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace autoglm::tools {

// Strings, numbers, True, False, None, lists, tuples and dicts with string keys; nothing for
// anything else. At most 32 deep.
std::optional<std::string> python_literal_to_json(std::string_view text);

}  // namespace autoglm::tools
