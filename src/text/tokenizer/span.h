// A stretch of a text, in bytes.
#pragma once

#include <cstddef>
#include <string_view>

namespace autoglm {

struct Span {
  size_t begin = 0;
  size_t end = 0;

  size_t size() const { return end - begin; }
  std::string_view of(std::string_view text) const { return text.substr(begin, end - begin); }
  friend bool operator==(const Span&, const Span&) = default;
};

}  // namespace autoglm
