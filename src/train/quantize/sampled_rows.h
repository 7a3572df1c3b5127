// Rows of a matrix from all over it, enough to estimate an error by.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "autoglm/result.h"
#include "formats/checkpoint.h"
#include "train/quantize/folds.h"
#include "train/quantize/targets.h"

namespace autoglm {

class SampledRows {
 public:
  // A mean over so many rows is within a few per cent of that over all.
  static constexpr int64_t kMost = 1024;

  static Result<SampledRows> read(const Target& target, const FoldedWeights& weights) {
    const StoredTensor& tensor = *weights.checkpoint().find(target.tensor);
    SampledRows sample;
    sample.columns_ = static_cast<size_t>(target.columns);
    const int64_t n = std::min(kMost, target.rows);
    sample.values_.resize(static_cast<size_t>(n) * sample.columns_);
    for (int64_t i = 0; i < n; ++i) {
      AGLM_TRY(weights.read_row(
          tensor, i * target.rows / n,
          std::span(sample.values_)
              .subspan(static_cast<size_t>(i) * sample.columns_, sample.columns_)));
    }
    return sample;
  }

  size_t size() const { return values_.size() / columns_; }
  std::span<const float> row(size_t i) const {
    return std::span(values_).subspan(i * columns_, columns_);
  }

 private:
  size_t columns_ = 0;
  std::vector<float> values_;
};

}  // namespace autoglm
