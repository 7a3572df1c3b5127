// Reads a grammar's source character by character; errors tell line and column. The source must be
// valid UTF-8 and not too long.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "autoglm/result.h"

namespace autoglm::grammar {

inline constexpr size_t kMaxSourceBytes = 1 << 20;
// Groups within groups, schemas within schemas: each takes some stack.
inline constexpr int kMaxNesting = 128;

class Reader {
 public:
  // `where` names the source in errors ("guided_regex"); both must outlive it.
  static Result<Reader> open(std::string_view source, std::string_view where);

  bool at_end() const { return at_ >= source_.size(); }
  size_t position() const { return at_; }
  void go_to(size_t position) { at_ = position; }
  char32_t peek() const;  // 0 at the end
  char32_t take();        // 0 at the end
  bool starts(std::string_view what) const { return source_.substr(at_).starts_with(what); }
  bool skip(std::string_view what) {
    if (!starts(what)) return false;
    at_ += what.size();
    return true;
  }
  std::string_view since(size_t begin) const { return source_.substr(begin, at_ - begin); }
  std::string_view where() const { return where_; }
  // `digits` hexadecimal digits.
  Result<char32_t> hexadecimal(int digits);
  // Decimal digits, at least one.
  Result<int32_t> number();

  Error error(std::string what, std::string expected = {}) const;
  Error unsupported(std::string what) const;

 private:
  Reader(std::string_view source, std::string_view where) : source_(source), where_(where) {}
  std::string place() const;

  std::string_view source_, where_;
  size_t at_ = 0;
};

}  // namespace autoglm::grammar
