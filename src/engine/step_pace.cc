// Least squares with forgetting.
#include "engine/step_pace.h"

#include <algorithm>

namespace autoglm {
namespace {

constexpr double kKept = 0.97;  // of an old step's weight at each new one: the last 30 count
constexpr double kOutlier = 4;  // a step that takes longer than so many times what it should was
                                // stopped by something else; counted, but no further than that

}  // namespace

void StepPace::add(int64_t rows, double seconds) {
  const auto n = static_cast<double>(rows);
  if (known()) seconds = std::min(seconds, kOutlier * this->seconds(n));
  for (double* sum : {&weight_, &rows_, &seconds_, &rows_squared_, &rows_seconds_}) *sum *= kKept;
  weight_ += 1;
  rows_ += n;
  seconds_ += seconds;
  rows_squared_ += n * n;
  rows_seconds_ += n * seconds;
  const double mean_rows = rows_ / weight_;
  const double mean_seconds = seconds_ / weight_;
  const double variance = rows_squared_ / weight_ - mean_rows * mean_rows;
  const double covariance = rows_seconds_ / weight_ - mean_rows * mean_seconds;
  // Steps all alike tell nothing about the slope: the one known before stays.
  if (variance > 0.01 * mean_rows * mean_rows) per_row_ = std::max(0.0, covariance / variance);
  if (per_row_ == 0 || per_row_ * mean_rows > mean_seconds) per_row_ = mean_seconds / mean_rows;
  base_ = mean_seconds - per_row_ * mean_rows;
}

int32_t StepPace::rows_within(double seconds) const {
  if (!known()) return INT32_MAX;
  const double rows = per_row_ > 0 ? (seconds - base_) / per_row_ : 1e9;
  return static_cast<int32_t>(std::clamp(rows, 1.0, 1e9));
}

}  // namespace autoglm
