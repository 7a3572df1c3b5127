// The methods of quantization that checkpoints come in: each knows its part of config.json and the
// tensors of a matrix. resolve.h joins them to a checkpoint.
#pragma once

#include <memory>
#include <string>

#include "autoglm/result.h"
#include "base/json.h"
#include "formats/quantized/module.h"

namespace autoglm {

class QuantizationMethod {
 public:
  virtual ~QuantizationMethod() = default;
  // For people: "GPTQ 4-bit, groups of 128".
  virtual std::string describe() const = 0;
  // The suffix whose tensor stands for its matrix, when `tensor` is one: "qweight".
  virtual std::string_view marker(const StoredTensor& tensor) const = 0;
  virtual Result<QuantizedModule> read(ModuleTensors& tensors) const = 0;
};

using MethodResult = Result<std::unique_ptr<const QuantizationMethod>>;

// `config` is quantization_config; `stored` the type that config.json gives the model's weights.
MethodResult gptq_method(const json::Fields& config);
MethodResult awq_method(const json::Fields& config);
MethodResult compressed_tensors_method(const json::Fields& config, DType stored);
MethodResult fp8_method(const json::Fields& config, DType stored);

}  // namespace autoglm
