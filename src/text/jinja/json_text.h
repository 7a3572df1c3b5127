// json.dumps as transformers' tojson filter calls it: text of a value, not escaped for HTML.
#pragma once

#include <optional>

#include "text/jinja/value.h"

namespace autoglm::jinja {

struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;  // one level's; none: everything on one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  size_t limit = 64 << 20;  // bytes
};

// Undefined values, namespaces, functions and keys that JSON cannot have are errors.
Result<std::string> to_json(Interpreter& interpreter, const Value& v, const JsonStyle& style);

}  // namespace autoglm::jinja
