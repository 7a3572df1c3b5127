// tokenizer.json, the format of the `tokenizers` library.
#pragma once

#include <memory>
#include <string_view>

#include "autoglm/result.h"
#include "base/json.h"
#include "text/tokenizer.h"
#include "text/tokenizer/tokenizer_config.h"

namespace autoglm {

// `config` adds what the document leaves out: bos, eos, and the frame they make.
Result<std::unique_ptr<Tokenizer>> read_tokenizer_json(const json::value& document,
                                                       std::string_view where,
                                                       const TokenizerConfig& config);

}  // namespace autoglm
