// Checkpoints that somebody else quantized: the method from config.json, and in the list of tensors
// one matrix for the several tensors that store it, under the name that models ask for. Reads
// shapes and small tensors only; hostile input expected.
#pragma once

#include <string>
#include <vector>

#include "autoglm/result.h"
#include "base/json.h"
#include "formats/checkpoint.h"

namespace autoglm {

struct ResolvedQuantization {
  std::string description;  // "AWQ 4-bit, groups of 128, asymmetric"; empty: not quantized
  std::vector<StoredTensor> tensors;
};

// `config`: config.json, named `where`. `own_config`: the method's own file (quantize_config.json
// or quant_config.json), for directories whose config.json is silent; null when there is none.
// Refused: unknown methods, matrices whose tensors are missing or contradict each other or the
// configuration.
Result<ResolvedQuantization> resolve_quantization(const json::object& config,
                                                  const json::object* own_config,
                                                  const std::string& where,
                                                  std::vector<StoredTensor> tensors);

}  // namespace autoglm
