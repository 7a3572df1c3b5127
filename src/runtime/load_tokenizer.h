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

// A draft model must mean the same tokens by the same ids. The error names the first that differs;
// `where`: the draft model's path.
Result<void> check_same_vocabulary(const Tokenizer& target, const Tokenizer& draft,
                                   const std::string& where);

}  // namespace autoglm
