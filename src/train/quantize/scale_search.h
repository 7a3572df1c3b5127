// The search for the scales that a group's input columns are divided by and its weights' columns
// multiplied by. Candidates are those of AWQ (arXiv 2306.00978) and of SmoothQuant (2211.10438);
// both are judged by the same estimate of the product's squared error,
//
//   mean over columns of (x' / s)^2 * |Q((W s)') - (W s)'|^2                   rounding of weights
//   + mean over rows of (max_j |(x / s)'_j| / 127)^2 / 12 * |(W s)'|^2         rounding of rows,
//
// in which ' is turning the columns (tensor/rotation.h) and rounding errors count as independent of
// one another. Scales of 1 are always a candidate.
#pragma once

#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "devices/cpu/graph_run.h"
#include "train/quantize/precision.h"
#include "train/quantize/sampled_rows.h"

namespace autoglm {

enum class ScaleFamily : uint8_t { kAwq, kSmoothQuant };

struct InputStatistics {
  std::vector<float> mean_abs;
  std::vector<float> max_abs;
  std::vector<float> mean_square;
  std::vector<float> sample;  // [sample_rows, columns]
  int64_t sample_rows = 0;
};
InputStatistics measure(const RowsView& x, ThreadPool& pool);

// Scales, their geometric mean 1; empty: none is better than 1.
std::vector<float> search_scales(ScaleFamily family, Precision precision,
                                 const InputStatistics& input, std::span<const SampledRows> weights,
                                 ThreadPool& pool);

}  // namespace autoglm
