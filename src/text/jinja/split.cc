// str.split and its relatives.
#include "text/jinja/split.h"

#include <algorithm>

#include "base/search.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/unicode.h"

namespace autoglm::jinja {

namespace {

constexpr int64_t kPartsPerStep = 8;  // replaced for the price of one evaluation

// Appends to parts, of which there may be only so many.
Result<void> add(Interpreter& interpreter, Parts& parts, std::string_view part) {
  parts.push_back(part);
  return interpreter.check_count(static_cast<int64_t>(parts.size()));
}

}  // namespace

Result<Parts> split_text(Interpreter& interpreter, std::string_view text,
                         std::string_view separator, int64_t limit) {
  AGLM_TRY(interpreter.spend_search(text, separator));
  Parts parts;
  size_t begin = 0;
  for (; limit != 0; --limit) {
    const size_t at = find_text(text, separator, begin);
    if (at == std::string_view::npos) break;
    AGLM_TRY(add(interpreter, parts, text.substr(begin, at - begin)));
    begin = at + separator.size();
  }
  AGLM_TRY(add(interpreter, parts, text.substr(begin)));
  return parts;
}

// Splits the text read backwards.
Result<Parts> split_from_end(Interpreter& interpreter, std::string_view text,
                             std::string_view separator, int64_t limit) {
  const std::string reversed(text.rbegin(), text.rend());
  const std::string reversed_separator(separator.rbegin(), separator.rend());
  Parts parts = AGLM_TRY(split_text(interpreter, reversed, reversed_separator, limit));
  for (std::string_view& part : parts) {
    const auto end = static_cast<size_t>(part.data() + part.size() - reversed.data());
    part = text.substr(text.size() - end, part.size());
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

Result<Parts> split_spaces(Interpreter& interpreter, std::string_view text, int64_t limit) {
  AGLM_TRY(interpreter.spend_scan(text));
  Parts parts;
  text = strip_spaces(text, Side::kLeft);
  while (!text.empty()) {
    if (limit == 0) {
      AGLM_TRY(add(interpreter, parts, strip_spaces(text, Side::kRight)));
      break;
    }
    size_t end = 0;
    while (end < text.size()) {
      size_t next = end;
      if (is_space(next_code_point(text, next))) break;
      end = next;
    }
    AGLM_TRY(add(interpreter, parts, text.substr(0, end)));
    text = strip_spaces(text.substr(end), Side::kLeft);
    --limit;
  }
  return parts;
}

Result<Parts> split_spaces_from_end(Interpreter& interpreter, std::string_view text,
                                    int64_t limit) {
  AGLM_TRY(interpreter.spend_scan(text));
  Parts parts;
  text = strip_spaces(text, Side::kRight);
  while (!text.empty()) {
    if (limit == 0) {
      AGLM_TRY(add(interpreter, parts, strip_spaces(text, Side::kLeft)));
      break;
    }
    size_t begin = text.size();
    while (begin > 0) {
      const size_t last = previous_offset(text, begin);
      size_t next = last;
      if (is_space(next_code_point(text, next))) break;
      begin = last;
    }
    AGLM_TRY(add(interpreter, parts, text.substr(begin)));
    text = strip_spaces(text.substr(0, begin), Side::kRight);
    --limit;
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

Result<Parts> split_lines(Interpreter& interpreter, std::string_view text, bool keep_ends) {
  AGLM_TRY(interpreter.spend_scan(text));
  Parts parts;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = at;
    const char32_t code = next_code_point(text, at);
    if (!is_line_end(code)) continue;
    if (code == '\r' && at < text.size() && text[at] == '\n') ++at;
    AGLM_TRY(add(interpreter, parts, text.substr(begin, (keep_ends ? at : end) - begin)));
    begin = at;
  }
  if (begin < text.size()) AGLM_TRY(add(interpreter, parts, text.substr(begin)));
  return parts;
}

Result<Value> make_parts(Interpreter& interpreter, const Parts& parts) {
  std::vector<Value> items;
  items.reserve(parts.size());
  for (const std::string_view part : parts) {
    items.push_back(AGLM_TRY(interpreter.make_string(std::string(part))));
  }
  return interpreter.make_list(std::move(items));
}

Result<std::string> replace_text(Interpreter& interpreter, std::string_view text,
                                 std::string_view from, std::string_view to, int64_t limit) {
  AGLM_TRY(interpreter.spend_search(text, from));
  std::string out;
  size_t begin = 0;
  int64_t n_replaced = 0;
  while (limit != 0) {
    // An empty pattern matches before every code point and at the end.
    size_t at = find_text(text, from, begin);
    if (at == std::string_view::npos) break;
    out += text.substr(begin, at - begin);
    out += to;
    AGLM_TRY(interpreter.check_bytes(static_cast<int64_t>(out.size())));
    if (++n_replaced % kPartsPerStep == 0) AGLM_TRY(interpreter.spend(0));
    begin = at + from.size();
    --limit;
    if (!from.empty()) continue;
    if (at >= text.size()) return out;
    next_code_point(text, at);
    out += text.substr(begin, at - begin);
    begin = at;
  }
  out += text.substr(begin);
  return out;
}

}  // namespace autoglm::jinja
