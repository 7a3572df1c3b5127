// Any text in which certain texts do not occur, as an automaton: the one of Aho and Corasick
// (1975), which knows after every byte how much of each of them has just been read.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "text/grammar/builder.h"

namespace autoglm::grammar {

// From `from`, any bytes; at every place before the end of the first of `texts` it may go on at
// `to`. Where texts[i] has been read it goes on at found[i], and only there; found empty: it cannot
// be read. Precondition: no text is empty.
void build_free_text(GrammarBuilder& builder, int32_t from, std::span<const std::string> texts,
                     std::span<const int32_t> found, int32_t to);

}  // namespace autoglm::grammar
