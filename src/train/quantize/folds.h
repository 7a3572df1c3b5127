// Scales that activation-aware methods move from one weight into another, and the checkpoint's
// weights with these moves made: what is quantized in place of the stored weights.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "formats/checkpoint.h"

namespace autoglm {

// Factors of one tensor; empty: all ones. A vector (norm, bias) has rows only.
struct Fold {
  std::vector<float> rows;
  std::vector<float> columns;
};

class FoldedWeights {
 public:
  explicit FoldedWeights(const Checkpoint& checkpoint) : checkpoint_(&checkpoint) {}

  const Checkpoint& checkpoint() const { return *checkpoint_; }
  bool is_folded(std::string_view tensor) const { return folds_.contains(tensor); }

  // Multiplies columns of a matrix, and rows [first, first + factors.size()) of a matrix or vector.
  void multiply_columns(const std::string& tensor, std::span<const float> factors);
  void multiply_rows(const std::string& tensor, int64_t first, std::span<const float> factors);

  // A row in f32. Errors: a weight that is no finite number, before or after.
  Result<void> read_row(const StoredTensor& tensor, int64_t row, std::span<float> out) const;
  // A vector as a whole.
  Result<std::vector<float>> read_vector(const StoredTensor& tensor) const;

 private:
  const Checkpoint* checkpoint_;
  std::map<std::string, Fold, std::less<>> folds_;
};

}  // namespace autoglm
