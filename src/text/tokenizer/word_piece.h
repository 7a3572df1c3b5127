// WordPiece (the longest token first, from the left) and WordLevel (a piece is one token or
// unknown).
#pragma once

#include <memory>
#include <string>

#include "text/tokenizer/model.h"

namespace autoglm {

struct WordPieceOptions {
  std::string unknown_token = "[UNK]";
  std::string continuing_subword_prefix = "##";
  size_t max_characters = 100;  // a longer piece is unknown
};

// The unknown token must be in the vocabulary once a text needs it.
Result<std::unique_ptr<const TokenModel>> make_word_piece(Vocabulary vocabulary,
                                                          WordPieceOptions options,
                                                          std::string_view where);
Result<std::unique_ptr<const TokenModel>> make_word_level(Vocabulary vocabulary,
                                                          std::string unknown_token,
                                                          std::string_view where);

}  // namespace autoglm
