// Unicode as the tokenizers need it: walking UTF-8, repairing it, and the properties, case mapping
// and normal forms that their components are defined by. Where a rule follows Rust's standard
// library or its regex crate (which the reference tokenizers are written with), the comment says
// so.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "text/tokenizer/span.h"

namespace autoglm {

// One character of valid UTF-8 and the bytes it takes.
struct Character {
  char32_t code = 0;
  size_t length = 0;
};

// Precondition: `text` is valid UTF-8 and `at` is the start of a character in it.
Character character_at(std::string_view text, size_t at);
void append_utf8(std::string& out, char32_t code);
size_t count_characters(std::string_view text);

bool is_valid_utf8(std::string_view bytes);
// Replaces each maximal invalid part by U+FFFD (Unicode 15, section 3.9, table 3-8): what Python's
// errors="replace" and Rust's from_utf8_lossy do.
std::string repair_utf8(std::string_view bytes);
bool ends_with_replacement(std::string_view text);

bool is_ascii(std::string_view text);
bool is_white_space(char32_t c);      // the White_Space property
bool is_word(char32_t c);             // \w of Rust's regex crate
bool is_numeric(char32_t c);          // Nd, Nl, No
bool is_punctuation(char32_t c);      // ASCII punctuation and symbols, or general category P
bool is_nonspacing_mark(char32_t c);  // Mn
bool is_mark(char32_t c);             // Mn, Mc, Me
bool is_other(char32_t c);            // Cc, Cf, Co
bool is_cjk(char32_t c);  // the blocks that BERT isolates: Chinese characters, not kana or hangul

std::string to_lower(std::string_view text);  // character by character, without context

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };
std::string normalize_unicode(std::string_view text, NormalForm form);

// The extended grapheme cluster that starts at `at`.
Span grapheme_at(std::string_view text, size_t at);

}  // namespace autoglm
