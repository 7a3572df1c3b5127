// Python's two ways of filling text: "%s: %d" % values and "{}: {:>5}".format(values).
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/value.h"

namespace autoglm::jinja {

// `values` is a tuple, a dict for %(name)s, or the only value.
Result<std::string> format_percent(Interpreter& interpreter, std::string_view format,
                                   const Value& values);
Result<std::string> format_braces(Interpreter& interpreter, std::string_view format,
                                  const Arguments& arguments);

// How one value is to be written.
struct FormatSpec {
  std::string fill = " ";
  char align = '\0';  // '<', '>', '^', '='; none: by kind
  char sign = '-';
  bool alternate = false;
  char group = '\0';  // ',' or '_'
  int64_t width = 0;
  int64_t precision = -1;
  char type = '\0';
};

Result<FormatSpec> parse_spec(std::string_view text);
// format(v, spec), without str()'s fallback for containers when the spec asks for more.
Result<std::string> format_value(Interpreter& interpreter, const Value& v, const FormatSpec& spec);
// A number in the style of a spec, sign included, not padded.
Result<std::string> format_number(const Value& v, const FormatSpec& spec);

}  // namespace autoglm::jinja
