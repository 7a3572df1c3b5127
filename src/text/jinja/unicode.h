// Python's view of text over UTF-8: code points, whitespace, case. Strings may
// hold surrogates ('%c' makes them), so text is read loosely (base/utf8.h); a stray byte counts as
// one code point and is kept as it is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace autoglm::jinja {

int64_t count_code_points(std::string_view text);
// The byte offset of code point `index`; the size when there are fewer.
size_t byte_offset(std::string_view text, int64_t index);
// The code point at byte `at`, which moves behind it. Precondition: at < text.size().
char32_t next_code_point(std::string_view text, size_t& at);
// The offset at which the code point that ends before `at` begins. Precondition: at > 0.
size_t previous_offset(std::string_view text, size_t at);

bool is_space(char32_t code);      // str.isspace
bool is_line_end(char32_t code);   // where str.splitlines splits
bool is_printable(char32_t code);  // str.isprintable
bool is_word(char32_t code);       // \w
bool is_alphabetic(char32_t code);
bool is_decimal(char32_t code);
bool is_numeric(char32_t code);
bool is_upper(char32_t code);
bool is_lower(char32_t code);
bool is_title(char32_t code);

std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string to_title(std::string_view text);        // str.title
std::string to_capitalized(std::string_view text);  // str.capitalize
std::string swap_case(std::string_view text);

enum class Side { kLeft, kRight, kBoth };
std::string_view strip_spaces(std::string_view text, Side side);
std::string_view strip_any(std::string_view text, std::string_view characters, Side side);

}  // namespace autoglm::jinja
