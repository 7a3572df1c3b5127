// Content up to a marker that may begin a call. White space before the marker, and after a call,
// belongs to the format and not to the content: it is held back until that is known.
#pragma once

#include <string>
#include <string_view>

#include "text/tools/delta.h"

namespace autoglm::tools {

class MarkedText {
 public:
  MarkedText(std::string_view marker, DeltaSink& sink) : marker_(marker), sink_(sink) {}

  // True when the marker ends with this byte. Then accept() or reject() comes next.
  bool byte(char c);
  void accept() { matched_.clear(); }
  // It was no call: the marker and `text` behind it are content.
  void reject(std::string_view text);
  void finish();

 private:
  void give(char c);

  const std::string_view marker_;
  DeltaSink& sink_;
  std::string held_;     // the beginning of a marker
  std::string space_;    // before it
  std::string matched_;  // both, while it is open whether a call follows
};

inline bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace autoglm::tools
