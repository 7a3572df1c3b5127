// A .gguf file as a Checkpoint.
#pragma once

#include <memory>
#include <string>

#include "autoglm/result.h"
#include "formats/checkpoint.h"

namespace autoglm {

Result<std::shared_ptr<const Checkpoint>> open_gguf(const std::string& path);

}  // namespace autoglm
