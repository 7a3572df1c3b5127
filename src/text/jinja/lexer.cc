// The rules follow jinja2/lexer.py one by one; where its regular expressions are subtle (which
// newline a tag swallows, when a line's indentation goes) a comment says so.
#include "text/jinja/lexer.h"

#include <fmt/format.h>

#include <charconv>

#include "text/jinja/literals.h"
#include "text/jinja/unicode.h"

namespace autoglm::jinja {
namespace {

// \r\n and \r become \n, and one newline at the very end is dropped (keep_trailing_newline off).
std::string normalise(std::string_view source) {
  std::string text = unify_newlines(source);
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

class Lexer {
 public:
  Lexer(std::string_view source, std::string_view where)
      : text_(normalise(source)), where_(where) {}

  Result<std::vector<Token>> run() {
    while (at_ < text_.size()) AGLM_TRY(root());
    add(TokenKind::kEnd, at_);
    return std::move(tokens_);
  }

 private:
  std::string_view rest(size_t at) const { return std::string_view(text_).substr(at); }
  bool starts(size_t at, std::string_view what) const { return rest(at).starts_with(what); }

  size_t skip_spaces(size_t at) const {
    while (at < text_.size()) {
      size_t next = at;
      if (!is_space(next_code_point(text_, next))) break;
      at = next;
    }
    return at;
  }

  // Lines and columns are found by walking on from the last position asked for.
  Position position(size_t at) {
    if (at < known_at_) {
      known_at_ = 0;
      known_ = {};
    }
    while (known_at_ < at) {
      if (text_[known_at_] == '\n') {
        ++known_.line;
        known_.column = 1;
        ++known_at_;
      } else {
        next_code_point(text_, known_at_);
        ++known_.column;
      }
    }
    return known_;
  }

  Error fail(size_t at, std::string what) {
    return syntax_error(where_, position(at), std::move(what));
  }

  Token& add(TokenKind kind, size_t at, std::string text = {}) {
    Token token;
    token.kind = kind;
    token.position = position(at);
    token.text = std::move(text);
    tokens_.push_back(std::move(token));
    return tokens_.back();
  }

  void add_data(size_t begin, size_t end) {
    if (end > begin) add(TokenKind::kData, begin, text_.substr(begin, end - begin));
  }

  // The text before a tag loses its trailing whitespace for '-', and for blocks and comments
  // without '+' the indentation of the tag's own line (lstrip_blocks).
  size_t data_end(size_t begin, size_t end, char sign, bool variable) const {
    const std::string_view data = std::string_view(text_).substr(begin, end - begin);
    if (sign == '-') return begin + strip_spaces(data, Side::kRight).size();
    if (sign == '+' || variable) return end;
    const size_t newline = data.rfind('\n');
    const size_t line = newline == std::string_view::npos ? 0 : newline + 1;
    if (line == 0 && !line_starting_) return end;
    return strip_spaces(data.substr(line), Side::kLeft).empty() ? begin + line : end;
  }

  char sign_at(size_t at) const {
    return at < text_.size() && (text_[at] == '-' || text_[at] == '+') ? text_[at] : '\0';
  }

  void advance(size_t to) {
    line_starting_ = to > at_ ? text_[to - 1] == '\n' : line_starting_;
    at_ = to;
  }

  // A tag's closing mark at `at`: `%}` with an optional sign; 0 when there is none. '-' swallows
  // the whitespace after it, no sign one newline where the tag trims.
  size_t closing(size_t at, std::string_view mark, bool plus, bool trims) const {
    if (plus && starts(at, "+") && starts(at + 1, mark)) return at + 1 + mark.size();
    if (starts(at, "-") && starts(at + 1, mark)) return skip_spaces(at + 1 + mark.size());
    if (!starts(at, mark)) return 0;
    at += mark.size();
    return trims && starts(at, "\n") ? at + 1 : at;
  }

  Result<void> root() {
    const size_t begin = at_;
    size_t open = begin;
    for (;; ++open) {
      open = text_.find('{', open);
      if (open == std::string::npos || open + 1 >= text_.size()) {
        add_data(begin, text_.size());
        advance(text_.size());
        return {};
      }
      const char next = text_[open + 1];
      if (next == '{' || next == '%' || next == '#') break;
    }
    const char kind = text_[open + 1];
    const char sign = sign_at(open + 2);
    const size_t inside = open + 2 + (sign != '\0' ? 1 : 0);
    add_data(begin, data_end(begin, open, sign, kind == '{'));
    if (kind == '#') return comment(open, inside);
    if (kind == '%') {
      const size_t raw_end = raw_begin(inside);
      if (raw_end != 0) return raw(open, raw_end);
    }
    add(kind == '{' ? TokenKind::kVariableBegin : TokenKind::kBlockBegin, open);
    advance(inside);
    return tag(kind == '{');
  }

  // jinja2 forgives a comment, and a raw block below, that opens at the very end.
  Result<void> comment(size_t open, size_t inside) {
    advance(inside);
    if (inside >= text_.size()) return {};
    for (size_t at = inside; at < text_.size(); ++at) {
      if (const size_t end = closing(at, "#}", true, true); end != 0) {
        advance(end);
        return {};
      }
    }
    return fail(open, "Missing end of comment tag");
  }

  size_t raw_begin(size_t inside) const {
    size_t at = skip_spaces(inside);
    if (!starts(at, "raw")) return 0;
    at = skip_spaces(at + 3);
    if (starts(at, "-%}")) return skip_spaces(at + 3);
    return starts(at, "%}") ? at + 2 : 0;
  }

  Result<void> raw(size_t open, size_t begin) {
    advance(begin);
    if (begin >= text_.size()) return {};
    for (size_t at = text_.find("{%", begin); at != std::string::npos;
         at = text_.find("{%", at + 1)) {
      const char sign = sign_at(at + 2);
      size_t word = skip_spaces(at + 2 + (sign != '\0' ? 1 : 0));
      if (!starts(word, "endraw")) continue;
      const size_t end = closing(skip_spaces(word + 6), "%}", true, true);
      if (end == 0) continue;
      add_data(begin, data_end(begin, at, sign, false));
      advance(end);
      return {};
    }
    return fail(open, "Missing end of raw directive");
  }

  Result<void> tag(bool variable) {
    std::string brackets;  // the closing brackets still owed; a tag ends only outside of them
    while (at_ < text_.size()) {
      if (brackets.empty()) {
        const size_t end =
            variable ? closing(at_, "}}", false, false) : closing(at_, "%}", true, true);
        if (end != 0) {
          add(variable ? TokenKind::kVariableEnd : TokenKind::kBlockEnd, at_);
          advance(end);
          return {};
        }
      }
      const size_t spaces = skip_spaces(at_);
      if (spaces > at_) {
        advance(spaces);
        continue;
      }
      AGLM_TRY(element(brackets));
    }
    return {};  // the parser says what is missing
  }

  Result<void> element(std::string& brackets) {
    const char c = text_[at_];
    if (c >= '0' && c <= '9') return number();
    size_t next = at_;
    const char32_t code = next_code_point(text_, next);
    if (is_word(code)) return name();
    if (c == '\'' || c == '"') return string();
    return operation(brackets);
  }

  Result<void> number() {
    const bool after_dot = at_ > 0 && text_[at_ - 1] == '.';
    const NumberLiteral literal = scan_number(rest(at_), !after_dot);
    if (literal.overflow) {
      return fail(at_, "integer literal does not fit into 64 bits");
    }
    Token& token = add(literal.is_float ? TokenKind::kFloat : TokenKind::kInteger, at_,
                       std::string(rest(at_).substr(0, literal.length)));
    token.integer = literal.integer;
    token.real = literal.real;
    advance(at_ + literal.length);
    return {};
  }

  Result<void> name() {
    size_t end = at_;
    while (end < text_.size()) {
      size_t next = end;
      if (!is_word(next_code_point(text_, next))) break;
      end = next;
    }
    size_t first = at_;
    const char32_t code = next_code_point(text_, first);
    if (code != '_' && !is_alphabetic(code)) return fail(at_, "Invalid character in identifier");
    add(TokenKind::kName, at_, text_.substr(at_, end - at_));
    advance(end);
    return {};
  }

  Result<void> string() {
    const char quote = text_[at_];
    size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != quote) end += text_[end] == '\\' ? 2 : 1;
    if (end >= text_.size()) return fail(at_, fmt::format("unexpected char '{}'", quote));
    Result<std::string> value = unescape(rest(at_ + 1).substr(0, end - at_ - 1));
    if (!value) return fail(at_, std::move(value).error().what);
    add(TokenKind::kString, at_, std::move(value).value());
    advance(end + 1);
    return {};
  }

  Result<void> operation(std::string& brackets) {
    static constexpr std::string_view kOperators[] = {
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
        "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
    for (const std::string_view op : kOperators) {
      if (!starts(at_, op)) continue;
      const char c = op[0];
      if (c == '(' || c == '[' || c == '{') {
        brackets.push_back(c == '(' ? ')' : c == '[' ? ']' : '}');
      } else if (c == ')' || c == ']' || c == '}') {
        if (brackets.empty()) return fail(at_, fmt::format("unexpected '{}'", c));
        if (brackets.back() != c) {
          return fail(at_, fmt::format("unexpected '{}', expected '{}'", c, brackets.back()));
        }
        brackets.pop_back();
      }
      add(TokenKind::kOperator, at_, std::string(op));
      advance(at_ + op.size());
      return {};
    }
    size_t next = at_;
    next_code_point(text_, next);
    return fail(at_, fmt::format("unexpected char '{}'", rest(at_).substr(0, next - at_)));
  }

  std::string text_;
  std::string_view where_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  bool line_starting_ = true;
  size_t known_at_ = 0;
  Position known_;
};

}  // namespace

Result<std::vector<Token>> tokenize(std::string_view source, std::string_view where) {
  return Lexer(source, where).run();
}

Error syntax_error(std::string_view where, Position position, std::string what) {
  return Error{ErrorCode::kCorrupt,
               std::move(what),
               fmt::format("{}:{}:{}", where, position.line, position.column),
               {},
               {}};
}

}  // namespace autoglm::jinja
