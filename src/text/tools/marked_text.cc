#include "text/tools/marked_text.h"

namespace autoglm::tools {

bool MarkedText::byte(char c) {
  held_ += c;
  while (!held_.empty() && !marker_.starts_with(held_)) {
    give(held_.front());
    held_.erase(0, 1);
  }
  if (held_ != marker_) return false;
  matched_ = space_ + held_;
  space_.clear();
  held_.clear();
  return true;
}

void MarkedText::give(char c) {
  if (is_space(c)) {
    space_ += c;
    return;
  }
  sink_.content(space_);
  space_.clear();
  sink_.content({&c, 1});
}

void MarkedText::reject(std::string_view text) {
  sink_.content(matched_);
  matched_.clear();
  for (const char c : text) give(c);
}

void MarkedText::finish() {
  for (const char c : held_) give(c);
  held_.clear();
  if (sink_.n_calls() == 0) sink_.content(space_);
  space_.clear();
}

}  // namespace autoglm::tools
