// The texts that quantizing looks at, as sequences of tokens: those to calibrate on first, then
// those to judge the result by.
#pragma once

#include <cstdint>
#include <vector>

#include "autoglm/generation.h"
#include "autoglm/result.h"
#include "devices/cpu/graph_run.h"
#include "models/registry.h"
#include "train/quantize/quantize.h"

namespace autoglm {

struct CalibrationText {
  std::vector<std::vector<TokenId>> sequences;
  size_t first_evaluation = 0;

  RunInput input() const { return {.sequences = sequences, .first_output = first_evaluation}; }
  int64_t calibration_rows() const;
};

// `options.tokenizer` is needed where there are texts.
// Errors: a text that is too short to say anything; a tokenizer that knows more tokens than the
// model. Without texts: no sequences.
Result<CalibrationText> read_calibration(const Model& model, const QuantizeOptions& options);

}  // namespace autoglm
