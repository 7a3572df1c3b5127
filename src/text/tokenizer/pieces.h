// A text cut into pieces, as it passes through the pre-tokenizers, and the ways of cutting. A piece
// never becomes a token's neighbour again: models see one piece at a time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer/span.h"

namespace autoglm {

struct Pieces {
  std::string text;
  std::vector<Span> spans;
  // Whether the first piece begins where the whole input does: Metaspace may mark only that one.
  bool first_is_at_origin = true;

  std::string_view piece(size_t i) const { return spans[i].of(text); }
};

// What happens to the separators that a split finds.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

// Cuts `piece` at `matches`, which are relative to its begin, ordered and without overlap; appends
// the parts that are not empty. `invert` makes separators of what lies between the matches.
void cut(Span piece, const std::vector<Span>& matches, SplitBehavior behavior, bool invert,
         std::vector<Span>& parts);

}  // namespace autoglm
