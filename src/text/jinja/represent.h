// Python's str() and repr() of template values. Longer texts than `limit` bytes are an error.
#pragma once

#include "text/jinja/value.h"

namespace autoglm::jinja {

Result<std::string> python_repr(const Value& v, size_t limit);

std::string quote(std::string_view text);  // repr of a string
std::string real_text(double value);       // repr of a float: 1.0, 1e+16, inf

}  // namespace autoglm::jinja
