// Internal to synthetic checkpoints: which tensors an architecture has in either form, and its
// configuration.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "autoglm/result.h"
#include "base/json.h"
#include "formats/gguf_writer.h"
#include "formats/synthetic.h"

namespace autoglm {

struct SyntheticTensor {
  std::string name;       // transformers'
  std::string gguf_name;  // llama.cpp's
  std::vector<int64_t> shape;
  bool around_one = false;     // a norm's weight: 1 + noise
  int64_t permuted_heads = 0;  // q and k of llama: heads whose rows llama.cpp stores in pairs
  // Of a router: numbers that bf16 holds, in GGUF as F32 whatever the other matrices are.
  bool router = false;
  // Of a tensor [experts, rows, columns] of GGUF: what transformers calls the matrix of each.
  std::vector<std::string> experts{};
};

// Errors when the shape is not one of a model that can run.
Result<void> check_shape(const SyntheticShape& shape);
// Experts are tensors of their own, or in GGUF one for all.
std::vector<SyntheticTensor> synthetic_tensors(const SyntheticShape& shape, bool gguf = false);
bool has_experts(std::string_view architecture);
json::object synthetic_config(const SyntheticShape& shape, DType dtype);
void add_synthetic_metadata(const SyntheticShape& shape, DType dtype, GgufMetadata& metadata);

}  // namespace autoglm
