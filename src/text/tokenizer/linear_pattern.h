// Whether a pattern's match at one place takes work in proportion to the text that it looks at.
// PCRE2 does not tell how much a match took; what is known of the pattern need not be asked of it.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace autoglm {

// How often a try at one place may look at a character, at most; nothing where that grows with the
// text, or the pattern is none of the plain ones below.
//
// Plain: alternatives of sequences of characters, classes and short groups, with quantifiers and
// look-aheads for one character. In a sequence there may be one repetition without a limit behind
// which something can still fail: it gives back character by character, and what follows looks at a
// few each time. With two, each would give back for each of the other's. The patterns by which
// models cut text are plain: "\s+(?!\S)", "\s*[\r\n]+", "[^\r\n\p{L}\p{N}]?\p{L}+".
std::optional<size_t> looks_at_a_character(std::string_view pcre_pattern);

}  // namespace autoglm
