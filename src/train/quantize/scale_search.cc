#include "train/quantize/scale_search.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/linear/progressive.h"
#include "tensor/rotation.h"
#include "train/quantize/row_codes.h"
#include "train/quantize/turned.h"

namespace autoglm {
namespace {

constexpr int64_t kSampleRows = 256;  // of activations, for the largest of each row
constexpr float kMostSpread = 64;     // healthy scales spread 2 to 4 times; beyond this one channel
                                      // drowns in the rounding of the others
constexpr size_t kSteps = 20;         // AWQ's grid

// Mean over all rows of |w| over the largest of its group: how much of its group's range a column
// uses.
std::vector<float> mean_share(std::span<const SampledRows> weights, size_t columns,
                              size_t group_size) {
  std::vector<double> sums(columns);
  size_t rows = 0;
  for (const SampledRows& matrix : weights) {
    rows += matrix.size();
    for (size_t r = 0; r < matrix.size(); ++r) {
      const std::span<const float> row = matrix.row(r);
      for (size_t g = 0; g < columns; g += group_size) {
        const auto group = row.subspan(g, std::min(group_size, columns - g));
        float largest = 0;
        for (const float w : group) largest = std::max(largest, std::abs(w));
        if (!(largest > 0)) continue;
        for (size_t i = 0; i < group.size(); ++i) sums[g + i] += std::abs(group[i]) / largest;
      }
    }
  }
  std::vector<float> shares(columns);
  for (size_t c = 0; c < columns; ++c) {
    shares[c] = static_cast<float>(sums[c] / static_cast<double>(std::max<size_t>(1, rows)));
  }
  return shares;
}

std::vector<float> largest_of(std::span<const SampledRows> weights, size_t columns) {
  std::vector<float> largest(columns);
  for (const SampledRows& matrix : weights) {
    for (size_t r = 0; r < matrix.size(); ++r) {
      const std::span<const float> row = matrix.row(r);
      for (size_t c = 0; c < columns; ++c) largest[c] = std::max(largest[c], std::abs(row[c]));
    }
  }
  return largest;
}

// x^power / w^(1 - power), geometric mean 1, within the spread.
std::vector<float> candidate(std::span<const float> x, std::span<const float> w, double power) {
  std::vector<float> scales(x.size(), 1.0f);
  std::vector<double> logs(x.size());
  double mean = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double above = power * std::log(std::max(1e-5, double{x[i]}));
    const double below = (1 - power) * std::log(std::max(1e-5, double{w[i]}));
    logs[i] = above - below;
    mean += logs[i];
  }
  mean /= static_cast<double>(x.size());
  const double bound = 0.5 * std::log(double{kMostSpread});
  for (size_t i = 0; i < x.size(); ++i) {
    scales[i] = static_cast<float>(std::exp(std::clamp(logs[i] - mean, -bound, bound)));
  }
  return scales;
}

// The squared error of rows [first, last), turned and quantized as the kernels would at load: the
// fast choice ranks the candidates as the slow one does.
double rows_error(const SampledRows& matrix, std::span<const float> scales, Precision precision,
                  size_t first, size_t last) {
  double error = 0;
  std::vector<float> row(scales.size());
  std::vector<float> decoded(scales.size());
  RowCodes codes;
  codes.groups.resize((row.size() + ProgressiveGroup::kColumns - 1) / ProgressiveGroup::kColumns);
  for (size_t r = first; r < last; ++r) {
    const std::span<const float> stored = matrix.row(r);
    for (size_t c = 0; c < row.size(); ++c) row[c] = stored[c] * scales[c];
    turn_weights(row);
    if (precision.bits == 8) {
      choose_int8(row, {}).decode(decoded);
    } else {
      codes.channel_scale = quantize_progressive_row(row, precision.form(), codes.groups);
      codes.decode(decoded);
    }
    for (size_t c = 0; c < row.size(); ++c) {
      const double rest = double{decoded[c]} - row[c];
      error += rest * rest;
    }
  }
  return error;
}

class Judge {
 public:
  Judge(Precision precision, const InputStatistics& input, std::span<const SampledRows> weights,
        ThreadPool& pool)
      : precision_(precision), input_(input), weights_(weights), pool_(pool) {
    squares_.resize(input.mean_square.size());
    for (const SampledRows& matrix : weights) {
      for (size_t r = 0; r < matrix.size(); ++r) {
        const std::span<const float> row = matrix.row(r);
        for (size_t c = 0; c < row.size(); ++c) squares_[c] += double{row[c]} * row[c];
      }
    }
  }

  double error(std::span<const float> scales) const {
    std::vector<float> inputs = input_.mean_square;
    for (size_t c = 0; c < scales.size(); ++c) inputs[c] /= scales[c] * scales[c];
    return turned_mean_square(inputs) * weight_rounding(scales) + row_rounding(scales);
  }

 private:
  double weight_rounding(std::span<const float> scales) const {
    std::vector<double> parts(static_cast<size_t>(pool_.size()));
    for (const SampledRows& matrix : weights_) {
      const auto n = static_cast<size_t>(pool_.size());
      pool_.run([&](int index) {
        const auto i = static_cast<size_t>(index);
        parts[i] += rows_error(matrix, scales, precision_, matrix.size() * i / n,
                               matrix.size() * (i + 1) / n);
      });
    }
    return std::accumulate(parts.begin(), parts.end(), 0.0);
  }

  double row_rounding(std::span<const float> scales) const {
    double weights = 0;
    for (size_t c = 0; c < scales.size(); ++c) {
      weights += squares_[c] * double{scales[c]} * scales[c];
    }
    // Of turned weights: T w / block.
    weights /= static_cast<double>(Rotation::of(std::ssize(scales)).block);
    double steps = 0;
    std::vector<float> turned(scales.size());
    for (int64_t r = 0; r < input_.sample_rows; ++r) {
      const float* row = input_.sample.data() + static_cast<size_t>(r) * scales.size();
      for (size_t c = 0; c < scales.size(); ++c) turned[c] = row[c] / scales[c];
      turn_inputs(turned);
      float largest = 0;
      for (const float x : turned) largest = std::max(largest, std::abs(x));
      steps += std::pow(double{largest} / 127, 2) / 12;
    }
    return weights * steps / static_cast<double>(std::max<int64_t>(1, input_.sample_rows));
  }

  Precision precision_;
  const InputStatistics& input_;
  std::span<const SampledRows> weights_;
  ThreadPool& pool_;
  std::vector<double> squares_;
};

}  // namespace

InputStatistics measure(const RowsView& x, ThreadPool& pool) {
  const auto columns = static_cast<size_t>(x.columns);
  InputStatistics out;
  out.mean_abs.resize(columns);
  out.max_abs.resize(columns);
  out.mean_square.resize(columns);
  pool.parallel_for(x.columns, 16, [&](int64_t begin, int64_t end) {
    const auto n = static_cast<size_t>(end - begin);
    std::vector<double> sums(n);
    std::vector<double> squares(n);
    for (int64_t r = 0; r < x.rows; ++r) {
      const float* row = x.row(r) + begin;
      for (size_t i = 0; i < n; ++i) {
        const float size = std::abs(row[i]);
        sums[i] += size;
        squares[i] += double{size} * size;
        float& largest = out.max_abs[static_cast<size_t>(begin) + i];
        largest = std::max(largest, size);
      }
    }
    for (size_t i = 0; i < n; ++i) {
      const auto c = static_cast<size_t>(begin) + i;
      out.mean_abs[c] = static_cast<float>(sums[i] / static_cast<double>(x.rows));
      out.mean_square[c] = static_cast<float>(squares[i] / static_cast<double>(x.rows));
    }
  });
  out.sample_rows = std::min(kSampleRows, x.rows);
  for (int64_t i = 0; i < out.sample_rows; ++i) {
    const float* row = x.row(i * x.rows / out.sample_rows);
    out.sample.insert(out.sample.end(), row, row + x.columns);
  }
  return out;
}

std::vector<float> search_scales(ScaleFamily family, Precision precision,
                                 const InputStatistics& input, std::span<const SampledRows> weights,
                                 ThreadPool& pool) {
  const size_t columns = input.mean_abs.size();
  const bool awq = family == ScaleFamily::kAwq;
  // 8 bits have no groups: shares are of stretches as long as those of most models' groups.
  const auto group_size = static_cast<size_t>(precision.bits == 8 ? 32 : precision.group_size);
  const std::vector<float> w =
      awq ? mean_share(weights, columns, group_size) : largest_of(weights, columns);
  const Judge judge(precision, input, weights, pool);
  double best = judge.error(std::vector<float>(columns, 1.0f));
  std::vector<float> found;
  const auto consider = [&](std::vector<float> scales) {
    const double error = judge.error(scales);
    if (!(error < best)) return;
    best = error;
    found = std::move(scales);
  };
  for (size_t step = 1; step <= kSteps; ++step) {
    const double power = static_cast<double>(step) / kSteps;
    if (!awq) {
      consider(candidate(input.max_abs, w, power));
      continue;
    }
    consider(candidate(input.mean_abs, w, power));
    // AWQ's other form: the activations alone.
    consider(candidate(input.mean_abs, std::vector<float>(columns, 1.0f), power));
  }
  return found;
}

}  // namespace autoglm
