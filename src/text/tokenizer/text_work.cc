// The two bounds.
#include "text/tokenizer/text_work.h"

#include <fmt/format.h>

namespace autoglm {

TextWork::TextWork(size_t text_bytes)
    : left_(kUnitsBeside + text_bytes * kUnitsPerByte),
      max_bytes_(kGrowthBeside + text_bytes * kGrowth) {}

Result<void> TextWork::spend(size_t units) {
  if (units <= left_) {
    left_ -= units;
    return {};
  }
  left_ = 0;
  return Error{ErrorCode::kTooLarge, "tokenizer takes too much work on this text", "tokenizer",
               fmt::format("at most {} units a byte", kUnitsPerByte), "more"};
}

Result<void> TextWork::check_size(size_t bytes) const {
  if (bytes <= max_bytes_) return {};
  return Error{ErrorCode::kTooLarge, "tokenizer makes this text too long", "tokenizer",
               fmt::format("at most {} bytes", max_bytes_), fmt::format("{} bytes", bytes)};
}

}  // namespace autoglm
