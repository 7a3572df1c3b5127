// str.split and its relatives.
#include "text/jinja/split.h"

#include <algorithm>

#include "text/jinja/interpreter.h"
#include "text/jinja/unicode.h"

namespace autoglm::jinja {

std::vector<std::string_view> split_text(std::string_view text, std::string_view separator,
                                         int64_t limit) {
  std::vector<std::string_view> parts;
  size_t begin = 0;
  for (size_t at = text.find(separator); at != std::string_view::npos && limit != 0;
       at = text.find(separator, begin), --limit) {
    parts.push_back(text.substr(begin, at - begin));
    begin = at + separator.size();
  }
  parts.push_back(text.substr(begin));
  return parts;
}

std::vector<std::string_view> split_from_end(std::string_view text, std::string_view separator,
                                             int64_t limit) {
  std::vector<std::string_view> parts;
  for (size_t at = text.rfind(separator); at != std::string_view::npos && limit != 0;
       at = text.rfind(separator), --limit) {
    parts.push_back(text.substr(at + separator.size()));
    text = text.substr(0, at);
  }
  parts.push_back(text);
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string_view> split_spaces(std::string_view text, int64_t limit) {
  std::vector<std::string_view> parts;
  text = strip_spaces(text, Side::kLeft);
  while (!text.empty()) {
    if (limit == 0) {
      parts.push_back(strip_spaces(text, Side::kRight));
      break;
    }
    size_t end = 0;
    while (end < text.size()) {
      size_t next = end;
      if (is_space(next_code_point(text, next))) break;
      end = next;
    }
    parts.push_back(text.substr(0, end));
    text = strip_spaces(text.substr(end), Side::kLeft);
    --limit;
  }
  return parts;
}

std::vector<std::string_view> split_spaces_from_end(std::string_view text, int64_t limit) {
  std::vector<std::string_view> parts;
  text = strip_spaces(text, Side::kRight);
  while (!text.empty()) {
    if (limit == 0) {
      parts.push_back(strip_spaces(text, Side::kLeft));
      break;
    }
    size_t begin = text.size();
    while (begin > 0) {
      const size_t last = previous_offset(text, begin);
      size_t next = last;
      if (is_space(next_code_point(text, next))) break;
      begin = last;
    }
    parts.push_back(text.substr(begin));
    text = strip_spaces(text.substr(0, begin), Side::kRight);
    --limit;
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> parts;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = at;
    const char32_t code = next_code_point(text, at);
    if (!is_line_end(code)) continue;
    if (code == '\r' && at < text.size() && text[at] == '\n') ++at;
    parts.push_back(text.substr(begin, (keep_ends ? at : end) - begin));
    begin = at;
  }
  if (begin < text.size()) parts.push_back(text.substr(begin));
  return parts;
}

Result<Value> make_parts(Interpreter& interpreter, const std::vector<std::string_view>& parts) {
  AGLM_TRY(interpreter.check_count(static_cast<int64_t>(parts.size())));
  std::vector<Value> items;
  items.reserve(parts.size());
  for (const std::string_view part : parts) {
    items.push_back(AGLM_TRY(interpreter.make_string(std::string(part))));
  }
  return interpreter.make_list(std::move(items));
}

Result<std::string> replace_text(Interpreter& interpreter, std::string_view text,
                                 std::string_view from, std::string_view to, int64_t limit) {
  AGLM_TRY(interpreter.spend(static_cast<int64_t>(text.size())));
  std::string out;
  size_t begin = 0;
  while (limit != 0) {
    // An empty pattern matches before every code point and at the end.
    size_t at = from.empty() ? begin : text.find(from, begin);
    if (at == std::string_view::npos) break;
    out += text.substr(begin, at - begin);
    out += to;
    AGLM_TRY(interpreter.check_bytes(static_cast<int64_t>(out.size())));
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
