// What may be done for one grammar. Whatever a request's grammar makes the program do is paid for
// here, in steps that each take a few nanoseconds at most; when they are used up the grammar is
// refused. Counted, not timed: the same grammar is refused on every machine and under any load.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "autoglm/result.h"

namespace autoglm::grammar {

class Work {
 public:
  explicit Work(int64_t most) : left_(most) {}

  // False when they are used up, and from then on.
  bool spend(int64_t steps) {
    left_ -= steps;
    return left_ >= 0;
  }
  Result<void> charge(int64_t steps, std::string_view where) {
    if (spend(steps)) return {};
    return error(where);
  }
  static Error error(std::string_view where) {
    return {.code = ErrorCode::kTooLarge,
            .what = "the grammar takes too much work",
            .where = std::string(where)};
  }

 private:
  int64_t left_;
};

}  // namespace autoglm::grammar
