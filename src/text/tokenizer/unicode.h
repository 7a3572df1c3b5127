// Unicode as the tokenizers need it: the properties, case mapping and normal forms that their
// components are defined by. Text is well-formed UTF-8 (base/utf8.h). Where a rule follows Rust's
// standard library or its regex crate (which the reference tokenizers are written with), the
// comment says so.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "text/tokenizer/span.h"

namespace autoglm {

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
