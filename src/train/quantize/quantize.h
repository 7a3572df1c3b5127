// Makes a checkpoint of integer codes from one of floats: `autoglm quantize`. Streamed: one matrix
// is held at a time, and the activations of the calibration text.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "text/tokenizer.h"
#include "train/quantize/precision.h"
#include "train/quantize/quality.h"

namespace autoglm {

struct QuantizeMethod {
  bool awq = false;          // scale columns by the activations that meet them
  bool gptq = false;         // carry each column's rounding error on to the next columns
  bool smoothquant = false;  // scale columns so that activations lose little in int8
  bool needs_text() const { return awq || gptq || smoothquant; }
};
Result<QuantizeMethod> parse_method(std::string_view name);  // "rtn", "awq+gptq", ...
std::string method_name(const QuantizeMethod& method);

struct QuantizeOptions {
  std::string output;
  std::shared_ptr<const Tokenizer> tokenizer;  // the model's, where there are texts
  double bits = 4;         // 2 to 5 and 8: codes of all layers; else an average, mixed
  int64_t group_size = 0;  // of fewer than 8 bits: 32, 64 or (4 bits) 128; 0: 32, of a mixture any
  QuantizeMethod method;
  std::string calibration;  // text, or empty
  std::string evaluation;   // text, or empty: the end of the calibration text
  int64_t calibration_tokens = 16384;
  int64_t evaluation_tokens = 4096;
  int64_t window = 512;  // tokens of one sequence
  bool evaluate = false;
  int threads = 0;
  std::function<void(double fraction, std::string_view stage)> progress;
};

struct MatrixReport {
  std::string tensor;
  int64_t rows = 0;
  int64_t columns = 0;
  Precision precision;
  double weight_error = 0;             // |W - W'| / |W|, after scales were moved
  std::optional<double> output_error;  // the same of the product, on calibration text
  std::optional<double> scale_spread;  // largest over smallest of the scales moved
};

struct QuantizeReport {
  std::string input;
  std::string input_quantization;  // how its weights had been rounded before; empty: not at all
  std::string output;
  std::string method;
  double bits_per_weight = 0;        // over all matrices
  double layer_bits_per_weight = 0;  // without embedding and output
  int64_t bytes_before = 0;
  int64_t bytes_after = 0;
  int64_t calibration_tokens = 0;
  double seconds = 0;
  std::vector<MatrixReport> matrices;
  std::optional<Quality> quality;
};

// Nothing is left at `output` when it fails.
Result<QuantizeReport> quantize_checkpoint(const std::string& input,
                                           const QuantizeOptions& options);

}  // namespace autoglm
