// The spelling of literals in templates: numbers with prefixes and underscores, strings with
// Python's escapes, and numbers read from text by the int and float filters.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "autoglm/result.h"

namespace autoglm::jinja {

struct NumberLiteral {
  size_t length = 0;  // bytes
  bool is_float = false;
  bool overflow = false;
  int64_t integer = 0;
  double real = 0;
};

// Precondition: text begins with a digit. Floats are not tried after a dot (`a.0.1`).
NumberLiteral scan_number(std::string_view text, bool float_allowed);

// The inside of a quoted string: \n, \x41, \u4f60... An escape Python does not know stays.
Result<std::string> unescape(std::string_view quoted);

std::string unify_newlines(std::string_view text);

// Python's int(text, base) and float(text); nothing where they raise ValueError. An integer over
// 64 bits is an error.
Result<std::optional<int64_t>> read_integer(std::string_view text, int64_t base);
std::optional<double> read_float(std::string_view text);

}  // namespace autoglm::jinja
