// The older files of Hugging Face tokenizers: vocab.json with merges.txt (GPT-2, Qwen2), and
// vocab.txt (BERT). How to cut and what to add follows from the tokenizer class.
#pragma once

#include <memory>
#include <string>

#include "autoglm/result.h"
#include "text/tokenizer.h"
#include "text/tokenizer/tokenizer_config.h"

namespace autoglm {

Result<std::unique_ptr<Tokenizer>> read_vocab_and_merges(const std::string& directory,
                                                         const TokenizerConfig& config);
Result<std::unique_ptr<Tokenizer>> read_vocab_txt(const std::string& directory,
                                                  const TokenizerConfig& config);

}  // namespace autoglm
