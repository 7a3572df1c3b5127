// One matrix from floats to codes, by the method that was chosen.
#pragma once

#include <optional>
#include <vector>

#include "autoglm/result.h"
#include "devices/cpu/graph_run.h"
#include "kernels/isa.h"
#include "train/quantize/folds.h"
#include "train/quantize/gptq.h"
#include "train/quantize/matrix_codes.h"
#include "train/quantize/targets.h"

namespace autoglm {

// What is known of the rows that a group of matrices multiplies, turned (turned.h).
struct GroupInput {
  std::vector<float> mean_square;  // of each column
  std::vector<float> sample;       // [sample_rows, columns]
  int64_t sample_rows = 0;
  std::optional<GptqFactor> factor;
};

struct RoundedMatrix {
  MatrixCodes codes;
  double weight_error = 0;
  std::optional<double> output_error;
};

class MatrixQuantizer {
 public:
  struct Options {
    bool gptq = false;
  };
  MatrixQuantizer(const Context& context, Options options) : context_(context), options_(options) {}

  ThreadPool& pool() const { return context_.pool; }
  Result<GroupInput> prepare(const RowsView& inputs) const;
  // `input`: null when nothing is known.
  Result<RoundedMatrix> quantize(const Target& target, const FoldedWeights& weights,
                                 const GroupInput* input) const;

 private:
  const Context& context_;
  Options options_;
};

}  // namespace autoglm
