#include "train/quantize/turned.h"

#include <numeric>

#include "kernels/rows/row_kernels.h"

namespace autoglm {

void turn_inputs(std::span<float> row) {
  const Rotation rotation = Rotation::of(static_cast<int64_t>(row.size()));
  row_kernels(best_isa()).rotate_input({.rotation = rotation, .x = row.data(), .y = row.data()});
}

void turn_weights(std::span<float> row) {
  const float factor =
      1.0f / static_cast<float>(Rotation::of(static_cast<int64_t>(row.size())).block);
  for (float& w : row) w *= factor;
  turn_inputs(row);
}

float turned_mean_square(std::span<const float> mean_squares) {
  const auto n = static_cast<double>(mean_squares.size());
  const double sum = std::accumulate(mean_squares.begin(), mean_squares.end(), 0.0);
  const auto block = static_cast<double>(Rotation::of(std::ssize(mean_squares)).block);
  return static_cast<float>(sum / n * block);
}

}  // namespace autoglm
