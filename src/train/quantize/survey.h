// The float model's run over the text, before anything is quantized: which scales to move from
// activations into weights (AWQ, SmoothQuant), how much each group of matrices matters, and the
// hidden states that the quantized model is later compared with.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "autoglm/result.h"
#include "devices/cpu/graph_run.h"
#include "train/quantize/folds.h"
#include "train/quantize/mixed_bits.h"
#include "train/quantize/quantize.h"
#include "train/quantize/targets.h"

namespace autoglm {

struct SurveyOptions {
  QuantizeMethod method;
  Ladder ladder;                 // the errors at every rung are wanted where it has several
  int64_t calibration_rows = 0;  // the first rows; the others are to judge by
};

struct Survey {
  explicit Survey(const Checkpoint& checkpoint) : weights(checkpoint) {}
  FoldedWeights weights;
  // For each group: the squared error of its products, relative to their squares, at every rung.
  // Empty without calibration rows.
  std::vector<RungErrors> errors;
  std::map<std::string, double> scale_spreads;  // by tensor: largest over smallest scale moved
  HiddenRows hidden;
};

Result<Survey> run_survey(const Graph& graph, const Targets& targets, const Checkpoint& checkpoint,
                          const RunInput& input, const SurveyOptions& options,
                          const Context& context, const std::function<void(double)>& progress);

}  // namespace autoglm
