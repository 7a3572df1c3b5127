// Cutting at matches, with the reference's rules for who keeps the separator.
#include "text/tokenizer/pieces.h"

#include <algorithm>

namespace autoglm {
namespace {

struct Part {
  Span span;
  bool is_separator = false;
};

// With next: a separator joins the part after it, the last of several separators only.
std::vector<Part> merge_with_next(const std::vector<Part>& parts) {
  std::vector<Part> merged;
  bool previous_was_separator = false;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (part->is_separator && !previous_was_separator && !merged.empty()) {
      merged.back().span.begin = part->span.begin;
    } else {
      merged.push_back({part->span, false});
    }
    previous_was_separator = part->is_separator;
  }
  std::reverse(merged.begin(), merged.end());
  return merged;
}

std::vector<Part> merge_with_previous(const std::vector<Part>& parts) {
  std::vector<Part> merged;
  bool previous_was_separator = false;
  for (const Part& part : parts) {
    if (part.is_separator && !previous_was_separator && !merged.empty()) {
      merged.back().span.end = part.span.end;
    } else {
      merged.push_back({part.span, false});
    }
    previous_was_separator = part.is_separator;
  }
  return merged;
}

std::vector<Part> merge_runs(const std::vector<Part>& parts) {
  std::vector<Part> merged;
  for (const Part& part : parts) {
    if (!merged.empty() && merged.back().is_separator == part.is_separator) {
      merged.back().span.end = part.span.end;
    } else {
      merged.push_back(part);
    }
  }
  return merged;
}

}  // namespace

void cut(Span piece, const std::vector<Span>& matches, SplitBehavior behavior, bool invert,
         std::vector<Span>& parts) {
  std::vector<Part> found;
  found.reserve(2 * matches.size() + 1);
  size_t end = 0;
  for (const Span& match : matches) {
    if (match.begin > end) found.push_back({{end, match.begin}, invert});
    found.push_back({match, !invert});
    end = match.end;
  }
  if (end < piece.size()) found.push_back({{end, piece.size()}, invert});
  switch (behavior) {
    case SplitBehavior::kRemoved:
      std::erase_if(found, [](const Part& part) { return part.is_separator; });
      break;
    case SplitBehavior::kIsolated: break;
    case SplitBehavior::kMergedWithPrevious: found = merge_with_previous(found); break;
    case SplitBehavior::kMergedWithNext: found = merge_with_next(found); break;
    case SplitBehavior::kContiguous: found = merge_runs(found); break;
  }
  for (const Part& part : found) {
    if (part.span.size() > 0) {
      parts.push_back({piece.begin + part.span.begin, piece.begin + part.span.end});
    }
  }
}

}  // namespace autoglm
