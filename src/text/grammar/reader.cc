#include "text/grammar/reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"
#include "text/grammar/builder.h"

namespace autoglm::grammar {

Result<Reader> Reader::open(std::string_view source, std::string_view where) {
  if (source.size() > kMaxSourceBytes) {
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "too long",
                 .where = std::string(where),
                 .expected = fmt::format("at most {} bytes", kMaxSourceBytes),
                 .found = fmt::format("{}", source.size())};
  }
  if (!is_valid_utf8(source)) {
    return Error{
        .code = ErrorCode::kInvalidArgument, .what = "not UTF-8", .where = std::string(where)};
  }
  return Reader(source, where);
}

char32_t Reader::peek() const { return at_end() ? 0 : character_at(source_, at_).code; }

char32_t Reader::take() {
  if (at_end()) return 0;
  const Character c = character_at(source_, at_);
  at_ += c.length;
  return c.code;
}

Result<char32_t> Reader::hexadecimal(int digits) {
  char32_t value = 0;
  for (int i = 0; i < digits; ++i) {
    const char32_t c = peek();
    const char32_t lower = c | 0x20;
    if (c >= '0' && c <= '9') {
      value = value * 16 + (c - '0');
    } else if (lower >= 'a' && lower <= 'f') {
      value = value * 16 + (lower - 'a' + 10);
    } else {
      return error("an escape is incomplete", fmt::format("{} hexadecimal digits", digits));
    }
    take();
  }
  return value;
}

Result<int32_t> Reader::number() {
  if (peek() < '0' || peek() > '9') return error("a number is missing");
  int64_t value = 0;
  while (peek() >= '0' && peek() <= '9') {
    value = value * 10 + static_cast<int64_t>(take() - '0');
    if (value > GrammarBuilder::kMaxCount) {
      return error("a repetition is too long",
                   fmt::format("at most {} times", GrammarBuilder::kMaxCount));
    }
  }
  return static_cast<int32_t>(value);
}

std::string Reader::place() const {
  const std::string_view before = source_.substr(0, at_);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const size_t begin = before.rfind('\n') + 1;  // npos + 1 is 0
  return fmt::format("line {}, column {}", line, count_characters(before.substr(begin)) + 1);
}

Error Reader::error(std::string what, std::string expected) const {
  return {.code = ErrorCode::kInvalidArgument,
          .what = fmt::format("{} at {}", what, place()),
          .where = std::string(where_),
          .expected = std::move(expected)};
}

Error Reader::unsupported(std::string what) const {
  Error made = error(std::move(what));
  made.code = ErrorCode::kUnsupported;
  return made;
}

}  // namespace autoglm::grammar
