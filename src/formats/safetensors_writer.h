// Writing safetensors files.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "autoglm/result.h"
#include "formats/tensor_file.h"

namespace autoglm {

// Length and JSON of the header, padded to eight bytes as the reference implementation does.
std::string safetensors_header(std::span<const TensorPlan> plans);

// A file whose tensors are appended in the order of `plans`. Plain dtypes only.
Result<TensorFile> create_safetensors(const std::string& path, std::vector<TensorPlan> plans);

}  // namespace autoglm
