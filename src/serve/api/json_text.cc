// A JSON writer of one page.
#include "serve/api/json_text.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "base/json_escape.h"

namespace autoglm::serve {
namespace {

void append_number(std::string& out, double number) {
  if (!std::isfinite(number)) number = number > 0 ? 9999 : -9999;
  fmt::format_to(std::back_inserter(out), "{}", number);
}

void append(std::string& out, const json::value& value) {
  switch (value.kind()) {
    case boost::json::kind::null: out += "null"; break;
    case boost::json::kind::bool_: out += value.get_bool() ? "true" : "false"; break;
    case boost::json::kind::int64: out += fmt::to_string(value.get_int64()); break;
    case boost::json::kind::uint64: out += fmt::to_string(value.get_uint64()); break;
    case boost::json::kind::double_: append_number(out, value.get_double()); break;
    case boost::json::kind::string: append_string(out, value.get_string()); break;
    case boost::json::kind::array: {
      char separator = '[';
      for (const json::value& item : value.get_array()) {
        out += separator;
        separator = ',';
        append(out, item);
      }
      out += separator == '[' ? "[]" : "]";
      break;
    }
    case boost::json::kind::object: {
      char separator = '{';
      for (const auto& member : value.get_object()) {
        out += separator;
        separator = ',';
        append_string(out, member.key());
        out += ':';
        append(out, member.value());
      }
      out += separator == '{' ? "{}" : "}";
      break;
    }
  }
}

}  // namespace

void append_string(std::string& out, std::string_view text) {
  out += '"';
  json::append_escaped(out, text);
  out += '"';
}

std::string dump(const json::value& value) {
  std::string out;
  append(out, value);
  return out;
}

}  // namespace autoglm::serve
