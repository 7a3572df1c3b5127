// JSON values to text for answers.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

#include "base/json.h"

namespace autoglm::serve {

// Compact JSON with the shortest decimal that reads back as the same double (Boost.JSON's own
// serializer writes 0.5 as 5E-1). Infinities, which JSON lacks, become -9999 or 9999.
std::string dump(const json::value& value);

// Adds a member to the object that `text` ends with; `write` appends its value. What is large goes
// so from its data straight to text: a tree of json::value would be ten times as large.
template <std::invocable<std::string&> Write>
void add_member(std::string& text, std::string_view key, Write&& write) {
  text.pop_back();
  if (text.back() != '{') text += ',';
  text += '"';
  text += key;  // one of ours: nothing in it needs an escape
  text += "\":";
  write(text);
  text += '}';
}
inline void add_member(std::string& text, std::string_view key, const json::value& value) {
  add_member(text, key, [&](std::string& out) { out += dump(value); });
}
// A string as JSON writes it, quotes included.
void append_string(std::string& out, std::string_view text);

}  // namespace autoglm::serve
