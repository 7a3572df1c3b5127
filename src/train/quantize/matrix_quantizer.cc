#include "train/quantize/matrix_quantizer.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <mutex>
#include <utility>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "train/quantize/turned.h"

namespace autoglm {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr int64_t kSampleRows = 256;  // of activations, for the error of the product
constexpr int64_t kBlockRows = 32;    // of weights, rounded together

struct Sums {
  double error = 0;
  double energy = 0;
  double output_error = 0;
  double output_energy = 0;

  void operator+=(const Sums& other) {
    error += other.error;
    energy += other.energy;
    output_error += other.output_error;
    output_energy += other.output_energy;
  }
};

double share(double part, double whole) { return whole > 0 ? std::sqrt(part / whole) : 0; }

// A stretch of rows, from reading to storing.
class Block {
 public:
  Block(const Target& target, const GroupInput* input, bool gptq)
      : target_(target), input_(input), gptq_(gptq && input != nullptr) {}

  Result<Sums> quantize(const FoldedWeights& weights, int64_t begin, int64_t end,
                        MatrixCodes& out) {
    const StoredTensor& tensor = *weights.checkpoint().find(target_.tensor);
    Matrix w(end - begin, target_.columns);
    const auto row = [&](int64_t i) {
      return std::span<float>(w.data() + i * w.cols(), static_cast<size_t>(w.cols()));
    };
    std::vector<RowCodes> codes;
    for (int64_t i = 0; i < w.rows(); ++i) {
      AGLM_TRY(weights.read_row(tensor, begin + i, row(i)));
      turn_weights(row(i));
      codes.push_back(choose(row(i)));
    }
    if (gptq_) {
      std::vector<GptqRow> rows;
      for (int64_t i = 0; i < w.rows(); ++i) {
        rows.push_back({.weights = row(i), .codes = &codes[static_cast<size_t>(i)]});
      }
      round_rows(*input_->factor, target_.precision, rows);
    }
    Matrix rest(w.rows(), w.cols());
    for (int64_t i = 0; i < w.rows(); ++i) {
      codes[static_cast<size_t>(i)].decode({rest.data() + i * w.cols(), row(i).size()});
      out.store(begin + i, codes[static_cast<size_t>(i)]);
    }
    rest = w - rest;
    Sums sums{.error = rest.cast<double>().squaredNorm(), .energy = w.cast<double>().squaredNorm()};
    if (input_ != nullptr) {
      const Eigen::Map<const Matrix> x(input_->sample.data(), input_->sample_rows, w.cols());
      sums.output_error = (x * rest.transpose()).cast<double>().squaredNorm();
      sums.output_energy = (x * w.transpose()).cast<double>().squaredNorm();
    }
    return sums;
  }

 private:
  RowCodes choose(std::span<const float> row) const {
    const std::span<const float> importance =
        input_ == nullptr ? std::span<const float>{} : input_->mean_square;
    return choose_codes(row, importance, target_.precision);
  }

  const Target& target_;
  const GroupInput* input_;
  bool gptq_;
};

}  // namespace

Result<GroupInput> MatrixQuantizer::prepare(const RowsView& inputs) const {
  GroupInput input;
  const int64_t n = inputs.rows * inputs.columns;
  AlignedBuffer turned = AGLM_TRY(
      AlignedBuffer::allocate(static_cast<size_t>(std::max<int64_t>(n, 16)) * sizeof(float)));
  auto* const to = turned.as<float>();
  const RowsView x{to, inputs.rows, inputs.columns, inputs.columns};
  context_.pool.parallel_for(x.rows, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const std::span<float> row(to + i * x.stride, static_cast<size_t>(x.columns));
      std::copy_n(inputs.row(i), x.columns, row.begin());
      turn_inputs(row);
    }
  });
  const auto columns = static_cast<size_t>(x.columns);
  input.sample_rows = std::min(kSampleRows, x.rows);
  for (int64_t i = 0; i < input.sample_rows; ++i) {
    const float* row = x.row(i * x.rows / input.sample_rows);
    input.sample.insert(input.sample.end(), row, row + x.columns);
  }
  if (options_.gptq) {
    std::vector<float> moments = AGLM_TRY(second_moments(context_, x));
    for (size_t c = 0; c < columns; ++c) input.mean_square.push_back(moments[c * columns + c]);
    input.factor = AGLM_TRY(factorize(std::move(moments), x.columns));
    return input;
  }
  std::vector<double> squares(columns);
  for (int64_t r = 0; r < x.rows; ++r) {
    const float* row = x.row(r);
    for (size_t c = 0; c < columns; ++c) squares[c] += double{row[c]} * row[c];
  }
  for (const double sum : squares) {
    input.mean_square.push_back(static_cast<float>(sum / static_cast<double>(x.rows)));
  }
  return input;
}

Result<RoundedMatrix> MatrixQuantizer::quantize(const Target& target, const FoldedWeights& weights,
                                                const GroupInput* input) const {
  RoundedMatrix result{.codes = MatrixCodes(target.precision, target.rows, target.columns)};
  std::mutex mutex;
  Sums total;
  std::optional<Error> failure;
  const int64_t blocks = (target.rows + kBlockRows - 1) / kBlockRows;
  std::vector<Sums> sums(static_cast<size_t>(blocks));
  context_.pool.parallel_for(blocks, 1, [&](int64_t first, int64_t last) {
    Block block(target, input, options_.gptq);
    for (int64_t b = first; b < last; ++b) {
      const int64_t begin = b * kBlockRows;
      Result<Sums> done =
          block.quantize(weights, begin, std::min(target.rows, begin + kBlockRows), result.codes);
      if (done) {
        sums[static_cast<size_t>(b)] = *done;
        continue;
      }
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::move(done).error();
      return;
    }
  });
  if (failure) return *std::move(failure);
  for (const Sums& part : sums) total += part;
  result.weight_error = share(total.error, total.energy);
  if (input != nullptr) result.output_error = share(total.output_error, total.output_energy);
  return result;
}

}  // namespace autoglm
