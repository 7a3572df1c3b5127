// One Knuth-Morris-Pratt automaton a stop string, stepped byte by byte: work is linear in the
// answer even for stop strings made to be slow.
#include "engine/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace autoglm {

StopMatcher::StopMatcher(const std::vector<std::string>& stops, bool include_stop_in_output)
    : include_(include_stop_in_output) {
  for (const std::string& stop : stops) {
    Pattern pattern{stop, std::vector<uint32_t>(stop.size() + 1, 0), 0};
    uint32_t border = 0;
    for (size_t k = 1; k < stop.size(); ++k) {
      while (border > 0 && stop[k] != stop[border]) border = pattern.fallback[border];
      if (stop[k] == stop[border]) ++border;
      pattern.fallback[k + 1] = border;
    }
    patterns_.push_back(std::move(pattern));
  }
}

StopMatcher::Piece StopMatcher::push(std::string_view text, bool ignore) {
  std::optional<size_t> found;
  for (const char byte : text) {
    held_.push_back(byte);
    for (size_t i = 0; i < patterns_.size(); ++i) {
      Pattern& pattern = patterns_[i];
      uint32_t& matched = pattern.matched;
      while (matched > 0 && pattern.text[matched] != byte) matched = pattern.fallback[matched];
      if (pattern.text[matched] == byte) ++matched;
      if (matched < pattern.text.size()) continue;
      if (!ignore && (!found || pattern.text.size() > patterns_[*found].text.size())) found = i;
      matched = pattern.fallback[matched];
    }
    if (found) {
      if (!include_) held_.resize(held_.size() - patterns_[*found].text.size());
      return {std::move(held_), found};
    }
  }
  size_t possible = 0;
  for (const Pattern& pattern : patterns_) possible = std::max<size_t>(possible, pattern.matched);
  std::string kept = held_.substr(held_.size() - possible);
  held_.resize(held_.size() - possible);
  return {std::exchange(held_, std::move(kept)), std::nullopt};
}

std::string StopMatcher::finish() { return std::exchange(held_, {}); }

}  // namespace autoglm
