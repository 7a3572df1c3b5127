// The tokenizer of a checkpoint, wherever it is kept: beside the weights in a directory, or inside
// a GGUF file. The weights need not be there.
#pragma once

#include <memory>
#include <string>

#include "autoglm/result.h"
#include "text/tokenizer.h"

namespace autoglm {

// `path`: a directory, or a .gguf file.
Result<std::shared_ptr<const Tokenizer>> load_tokenizer(const std::string& path);

}  // namespace autoglm
