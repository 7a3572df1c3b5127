// SentencePiece models (Llama 2, ChatGLM3) by the SentencePiece library, with the special tokens
// that stand beside the file's pieces.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "autoglm/result.h"
#include "text/tokenizer.h"
#include "text/tokenizer/tokenizer_config.h"

namespace autoglm {

Result<std::unique_ptr<Tokenizer>> read_sentence_piece(std::string_view bytes, std::string where,
                                                       const TokenizerConfig& config);

}  // namespace autoglm
