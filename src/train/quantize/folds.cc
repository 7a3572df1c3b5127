#include "train/quantize/folds.h"

#include <fmt/format.h>

#include <cmath>

#include "base/check.h"

namespace autoglm {
namespace {

void multiply(std::vector<float>& factors, int64_t n, int64_t first, std::span<const float> by) {
  AGLM_CHECK(first + static_cast<int64_t>(by.size()) <= n, "{} factors from {} of {}", by.size(),
             first, n);
  factors.resize(static_cast<size_t>(n), 1.0f);
  for (size_t i = 0; i < by.size(); ++i) factors[static_cast<size_t>(first) + i] *= by[i];
}

}  // namespace

void FoldedWeights::multiply_columns(const std::string& tensor, std::span<const float> factors) {
  multiply(folds_[tensor].columns, static_cast<int64_t>(factors.size()), 0, factors);
}

void FoldedWeights::multiply_rows(const std::string& tensor, int64_t first,
                                  std::span<const float> factors) {
  const StoredTensor* stored = checkpoint_->find(tensor);
  AGLM_CHECK(stored != nullptr, "{} is not there", tensor);
  multiply(folds_[tensor].rows, stored->rows(), first, factors);
}

Result<void> FoldedWeights::read_row(const StoredTensor& tensor, int64_t row,
                                     std::span<float> out) const {
  decode_row(tensor, row, out);
  if (const auto found = folds_.find(tensor.name); found != folds_.end()) {
    const Fold& fold = found->second;
    if (!fold.columns.empty()) {
      for (size_t i = 0; i < out.size(); ++i) out[i] *= fold.columns[i];
    }
    if (!fold.rows.empty()) {
      for (float& w : out) w *= fold.rows[static_cast<size_t>(row)];
    }
  }
  for (const float w : out) {
    if (!std::isfinite(w)) {
      return Error{ErrorCode::kCorrupt, "weight is not a number",
                   fmt::format("{}: row {}", tensor.where, row), "finite numbers",
                   "NaN or infinity"};
    }
  }
  return {};
}

Result<std::vector<float>> FoldedWeights::read_vector(const StoredTensor& tensor) const {
  std::vector<float> values(static_cast<size_t>(tensor.rows()));
  for (int64_t i = 0; i < tensor.rows(); ++i) {
    AGLM_TRY(read_row(tensor, i, std::span(values).subspan(static_cast<size_t>(i), 1)));
  }
  return values;
}

}  // namespace autoglm
