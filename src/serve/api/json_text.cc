// A JSON writer of one page, and UTF-8 checking after table 3-7 of the Unicode Standard.
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

struct Sequence {
  size_t length = 0;  // bytes looked at; at least 1
  bool valid = false;
};

// The character, or the maximal broken part, at the front of non-empty `bytes`.
Sequence next_sequence(std::string_view bytes) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {1, true};
  size_t length = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) {
    length = 2;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    length = 3;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    length = 4;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
  } else {
    return {1, false};
  }
  for (size_t i = 1; i < length; ++i) {
    if (i >= bytes.size() || byte(i) < low || byte(i) > high) return {i, false};
    low = 0x80;
    high = 0xbf;
  }
  return {length, true};
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

std::string printable_utf8(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    const Sequence sequence = next_sequence(bytes);
    if (sequence.valid) {
      out += bytes.substr(0, sequence.length);
    } else {
      out += "\xef\xbf\xbd";
    }
    bytes.remove_prefix(sequence.length);
  }
  return out;
}

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const Sequence sequence = next_sequence(bytes);
    if (!sequence.valid) return false;
    bytes.remove_prefix(sequence.length);
  }
  return true;
}

int64_t count_characters(std::string_view bytes) {
  int64_t n = 0;
  for (const char c : bytes) n += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return n;
}

}  // namespace autoglm::serve
