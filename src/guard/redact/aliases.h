// What a request's prompts were given in the place of values, and so what its answers have to give
// back: <CN_MOBILE_k3v7q2m5xa> is 13800138000 again. Of one request; thrown away with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "guard/redact/window.h"

namespace autoglm::guard::redact {

class Aliases {
 public:
  // Of two values with one alias the first counts.
  void add(std::string_view alias, std::string value);
  bool empty() const { return values_.empty(); }

  struct Found {
    size_t length = 0;  // units; 0: none begins there
    size_t index = 0;
  };
  // The longest that stands at the window's place.
  Found at(const Window& window) const;
  const std::string& value(size_t index) const { return values_[index]; }

 private:
  struct Node {
    std::map<char32_t, size_t> next;
    size_t alias = kNone;  // that ends here
  };
  static constexpr size_t kNone = SIZE_MAX;
  std::vector<Node> nodes_ = std::vector<Node>(1);
  std::vector<std::string> values_;
};

}  // namespace autoglm::guard::redact
