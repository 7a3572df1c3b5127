// tokenizer.model as tiktoken writes it (GLM-4 as first published, Llama 3): lines of a token in
// base64 and its rank, which is its id. What such a file leaves out - the expression that cuts the
// text, and the special tokens - comes from tokenizer_config.json, or from what is known of the two
// families.
#pragma once

#include <memory>
#include <string_view>

#include "autoglm/result.h"
#include "text/tokenizer.h"
#include "text/tokenizer/tokenizer_config.h"

namespace autoglm {

// Whether the file's first line is one of a tiktoken file.
bool looks_like_tiktoken(std::string_view bytes);

Result<std::unique_ptr<Tokenizer>> read_tiktoken(std::string_view bytes, std::string_view where,
                                                 const TokenizerConfig& config);

}  // namespace autoglm
