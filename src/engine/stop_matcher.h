// Finds the first stop string in an answer that comes in pieces, and holds back the text that may
// still become one. Knows bytes only: not tokens, not when stops are allowed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace autoglm {

class StopMatcher {
 public:
  // Precondition: none of `stops` is empty.
  StopMatcher(const std::vector<std::string>& stops, bool include_stop_in_output);

  struct Piece {
    std::string text;            // may be shown now
    std::optional<size_t> stop;  // index of the stop string that ended the answer
  };
  // The next piece of the answer. With `ignore`, a stop string that ends in it is plain text; one
  // that only begins in it still counts. How the answer is cut into pieces never changes what is
  // found: the stop string that ends first, the longest of those. Not to be called after a stop.
  Piece push(std::string_view text, bool ignore);
  // What was held back, when the answer has ended for another reason.
  std::string finish();

 private:
  // Knuth, Morris and Pratt: fallback[k] is the length of the longest border of the first k bytes.
  struct Pattern {
    std::string text;
    std::vector<uint32_t> fallback;
    uint32_t matched = 0;
  };
  std::vector<Pattern> patterns_;
  bool include_;
  std::string held_;
};

}  // namespace autoglm
