#include "text/tools/python_literal.h"

#include "base/json.h"
#include "text/tools/json_scanner.h"
#include "text/tools/marked_text.h"

namespace autoglm::tools {
namespace {

constexpr int kMaxDepth = 32;

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool whole() {
    if (!value(0)) return false;
    skip_space();
    return at_ == text_.size();
  }
  std::string take() { return std::move(out_); }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take_char(char c) {
    if (peek() != c || at_ == text_.size()) return false;
    ++at_;
    return true;
  }
  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }

  bool value(int depth) {
    if (depth > kMaxDepth) return false;
    skip_space();
    switch (peek()) {
      case '\'':
      case '"': return string();
      case '[': return list('[', ']', depth);
      case '(': return list('(', ')', depth);
      case '{': return dict(depth);
      default: return word();
    }
  }

  bool list(char open, char close, int depth) {
    take_char(open);
    out_ += '[';
    for (bool first = true;; first = false) {
      skip_space();
      if (take_char(close)) break;
      if (!first) out_ += ", ";
      if (!value(depth + 1)) return false;
      skip_space();
      if (!take_char(',') && peek() != close) return false;
    }
    out_ += ']';
    return true;
  }

  bool dict(int depth) {
    take_char('{');
    out_ += '{';
    for (bool first = true;; first = false) {
      skip_space();
      if (take_char('}')) break;
      if (!first) out_ += ", ";
      if ((peek() != '\'' && peek() != '"') || !string()) return false;
      skip_space();
      if (!take_char(':')) return false;
      out_ += ": ";
      if (!value(depth + 1)) return false;
      skip_space();
      if (!take_char(',') && peek() != '}') return false;
    }
    out_ += '}';
    return true;
  }

  bool string() {
    const char quote = text_[at_++];
    out_ += '"';
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == quote) {
        out_ += '"';
        return true;
      }
      if (c != '\\') {
        out_ += json_escaped({&c, 1});
      } else if (!escape()) {
        return false;
      }
    }
    return false;
  }

  bool escape() {
    if (at_ == text_.size()) return false;
    const char c = text_[at_++];
    switch (c) {
      case '\n': return true;  // a line that goes on
      case 'n':
      case 't':
      case 'r':
      case 'b':
      case 'f':
      case '\\':
      case '"': out_ += std::string("\\") + c; return true;
      case '\'': out_ += c; return true;
      case 'x': return code_point("\\u00", 2);
      case 'u': return code_point("\\u", 4);
      default: out_ += std::string("\\\\") + c; return true;  // Python keeps the backslash
    }
  }

  bool code_point(std::string_view prefix, size_t n_digits) {
    if (text_.size() - at_ < n_digits) return false;
    const std::string digits(text_.substr(at_, n_digits));
    if (digits.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) return false;
    out_ += prefix;
    out_ += digits;
    at_ += n_digits;
    return true;
  }

  // True, False, None, or a number as JSON has it.
  bool word() {
    const size_t end = text_.find_first_of(" \t\r\n,]}):", at_);
    const std::string_view word = text_.substr(at_, end == text_.npos ? end : end - at_);
    at_ += word.size();
    if (word == "True" || word == "true") {
      out_ += "true";
    } else if (word == "False" || word == "false") {
      out_ += "false";
    } else if (word == "None" || word == "null") {
      out_ += "null";
    } else if (!word.empty() && word.find_first_of("\"'[{") == word.npos && is_json(word)) {
      out_ += word;
    } else {
      return false;
    }
    return true;
  }

  std::string_view text_;
  size_t at_ = 0;
  std::string out_;
};

}  // namespace

std::optional<std::string> python_literal_to_json(std::string_view text) {
  Reader reader(text);
  if (!reader.whole()) return std::nullopt;
  std::string out = reader.take();
  // Two halves of one character apart, and the like: JSON that no reader takes.
  if (!is_json(out)) return std::nullopt;
  return out;
}

}  // namespace autoglm::tools
