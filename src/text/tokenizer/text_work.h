// What one text may cost on its way through a tokenizer, counted by the byte. The steps of a
// hostile tokenizer.json multiply: a text that doubles twelve times, an expression that tries all
// ways to match at every place. Each step pays before it works, and the text may not grow past a
// bound.
#pragma once

#include <cstddef>

#include "autoglm/result.h"

namespace autoglm {

class TextWork {
 public:
  // Real tokenizers take some 20 to 200 units a byte: 8 for each pass over the text, 16 for each
  // match of an expression, 16 for the model.
  static constexpr size_t kUnitsPerByte = 512;
  static constexpr size_t kUnitsBeside = size_t{256} << 10;
  // Compatibility forms make 11 bytes of one, a byte-level alphabet two.
  static constexpr size_t kGrowth = 64;
  static constexpr size_t kGrowthBeside = size_t{4} << 10;
  static constexpr size_t kPassCost = 8;   // units for a byte that a step looks at
  static constexpr size_t kStepCost = 16;  // for a step, a piece, a token or a match

  explicit TextWork(size_t text_bytes);

  // An error when the text has cost too much.
  Result<void> spend(size_t units);
  Result<void> spend_pass(size_t bytes) { return spend(kStepCost + bytes * kPassCost); }
  // An error when the text has grown too long.
  Result<void> check_size(size_t bytes) const;

  size_t left() const { return left_; }

 private:
  size_t left_;
  size_t max_bytes_;
};

}  // namespace autoglm
