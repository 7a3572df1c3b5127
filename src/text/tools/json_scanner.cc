#include "text/tools/json_scanner.h"

#include <algorithm>

#include "base/json.h"
#include "base/json_escape.h"

namespace autoglm::tools {
namespace {

constexpr size_t kMaxDepth = 64;
constexpr size_t kMaxNumber = 400;  // longer than any double

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
uint32_t hex_value(char c) {
  return static_cast<uint32_t>(is_digit(c) ? c - '0' : (c | 32) - 'a' + 10);
}

bool is_first_half(uint32_t unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
bool is_second_half(uint32_t unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

constexpr size_t kEscapeBytes = 6;  // \u and four digits

// The unit of the escape \uXXXX at the front of `text`; nothing where there is no whole one.
std::optional<uint32_t> escaped_unit(std::string_view text) {
  if (text.size() < kEscapeBytes || !text.starts_with("\\u")) return std::nullopt;
  uint32_t unit = 0;
  for (const char c : text.substr(2, 4)) {
    if (!is_hex(c)) return std::nullopt;
    unit = unit * 16 + hex_value(c);
  }
  return unit;
}

}  // namespace

JsonScanner::Step JsonScanner::value(char c) {
  switch (c) {
    case '{':
    case '[':
      if (open_.size() >= kMaxDepth) return Step::kBad;
      open_ += c;
      state_ = c == '{' ? State::kFirstKey : State::kFirstItem;
      return Step::kMore;
    case '"':
      is_key_ = false;
      state_ = State::kString;
      return Step::kMore;
    case 't': word_ = "rue"; break;
    case 'f': word_ = "alse"; break;
    case 'n': word_ = "ull"; break;
    default:
      if (c != '-' && !is_digit(c)) return Step::kBad;
      word_ = c;
      state_ = State::kNumber;
      return Step::kMore;
  }
  state_ = State::kWord;
  return Step::kMore;
}

JsonScanner::Step JsonScanner::end_value() {
  if (open_.empty()) return Step::kDone;
  state_ = State::kAfterValue;
  return Step::kMore;
}

JsonScanner::Step JsonScanner::end_container(char opened) {
  if (open_.empty() || open_.back() != opened) return Step::kBad;
  open_.pop_back();
  return end_value();
}

JsonScanner::Step JsonScanner::end_number(char c) {
  if (!is_json(word_)) return Step::kBad;
  if (open_.empty()) return Step::kDoneBefore;
  state_ = State::kAfterValue;
  return feed(c);
}

JsonScanner::Step JsonScanner::feed(char c) {
  switch (state_) {
    case State::kString:
      if (c == '\\') {
        state_ = State::kEscape;
        return Step::kMore;
      }
      first_half_ = false;
      if (c != '"') return Step::kMore;
      if (!is_key_) return end_value();
      state_ = State::kColon;
      return Step::kMore;
    case State::kEscape:
      if (c == 'u') {
        state_ = State::kUnicode;
        digits_left_ = 4;
        unit_ = 0;
        return Step::kMore;
      }
      state_ = State::kString;
      first_half_ = false;
      return std::string_view("\"\\/bfnrt").find(c) == std::string_view::npos ? Step::kBad
                                                                              : Step::kMore;
    case State::kUnicode:
      if (!is_hex(c)) return Step::kBad;
      unit_ = unit_ * 16 + hex_value(c);
      if (--digits_left_ > 0) return Step::kMore;
      state_ = State::kString;
      first_half_ = is_first_half(unit_);
      return Step::kMore;
    case State::kWord:
      if (c != word_.front()) return Step::kBad;
      word_.erase(0, 1);
      return word_.empty() ? end_value() : Step::kMore;
    case State::kNumber:
      if (!is_digit(c) && std::string_view("+-.eE").find(c) == std::string_view::npos) {
        return end_number(c);
      }
      word_ += c;
      return word_.size() > kMaxNumber ? Step::kBad : Step::kMore;
    default: break;
  }
  if (is_space(c)) return Step::kMore;
  switch (state_) {
    case State::kFirstItem: return c == ']' ? end_container('[') : value(c);
    case State::kFirstKey:
      if (c == '}') return end_container('{');
      [[fallthrough]];
    case State::kKey:
      if (c != '"') return Step::kBad;
      is_key_ = true;
      state_ = State::kString;
      return Step::kMore;
    case State::kColon:
      if (c != ':') return Step::kBad;
      state_ = State::kValue;
      return Step::kMore;
    case State::kAfterValue:
      if (c == ',') {
        state_ = open_.back() == '{' ? State::kKey : State::kValue;
        return Step::kMore;
      }
      if (c == '}') return end_container('{');
      return c == ']' ? end_container('[') : Step::kBad;
    default: return value(c);
  }
}

bool JsonScanner::can_close() const {
  switch (state_) {
    case State::kFirstItem:
    case State::kFirstKey:
    case State::kAfterValue: return true;
    case State::kString: return !is_key_ && !first_half_;
    case State::kNumber: return is_json(word_);
    default: return false;
  }
}

std::string JsonScanner::closing() const {
  std::string text;
  if (state_ == State::kString) text += '"';
  for (auto opened = open_.rbegin(); opened != open_.rend(); ++opened) {
    text += *opened == '{' ? '}' : ']';
  }
  return text;
}

std::string OpenJson::feed(std::string_view text) {
  std::string given;
  for (const char c : text) {
    if (done_) break;
    held_ += c;
    const bool was_in_string = scanner_.in_string();
    // Its text was checked by whoever read it: a bad byte can only be of a later value.
    const JsonScanner::Step step = scanner_.feed(c);
    done_ = step != JsonScanner::Step::kMore;
    if (!done_ && !scanner_.can_close()) continue;
    given += std::exchange(held_, {});
    if (begun_ && was_in_string && scanner_.in_string()) continue;
    begun_ = true;
    last_closing_ = done_ ? std::string() : scanner_.closing();
  }
  return given;
}

std::string OpenJson::close() {
  held_.clear();
  done_ = true;
  return begun_ ? last_closing_ : "{}";
}

std::string without_lone_surrogates(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::optional<uint32_t> unit = escaped_unit(text);
    const std::string_view rest = unit ? text.substr(kEscapeBytes) : std::string_view();
    const std::optional<uint32_t> next = escaped_unit(rest);
    const bool pair = unit && is_first_half(*unit) && next && is_second_half(*next);
    // The second half may still be coming.
    const bool open = unit && is_first_half(*unit) && rest.size() < kEscapeBytes &&
                      (rest.empty() || rest == "\\" || rest.starts_with("\\u"));
    size_t length = unit ? kEscapeBytes : text.starts_with('\\') ? 2 : 1;
    if (pair) length = 2 * kEscapeBytes;
    if (unit && !pair && !open && (is_first_half(*unit) || is_second_half(*unit))) {
      out += "\\ufffd";
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(std::min(length, text.size()));
  }
  return out;
}

std::optional<std::string> closed_object(std::string_view text) {
  OpenJson value;
  std::string closed = value.feed(text);
  closed += value.close();
  const Result<json::value> parsed = json::parse(closed, "value", {.max_depth = kMaxDepth});
  if (!parsed || !parsed->is_object()) return std::nullopt;
  return closed;
}

bool is_json(std::string_view text) {
  return json::parse(text, "value", {.max_depth = kMaxDepth}).has_value();
}

std::string json_escaped(std::string_view text) {
  std::string out;
  json::append_escaped(out, text);
  return out;
}

}  // namespace autoglm::tools
