// Unigram: of all ways to spell a piece with tokens, the one whose scores (log-probabilities) add
// up to the most.
#pragma once

#include <memory>
#include <vector>

#include "text/tokenizer/model.h"

namespace autoglm {

struct UnigramOptions {
  int32_t unknown_id = -1;     // -1: a character without token is an error
  bool byte_fallback = false;  // what has no token becomes the tokens <0x..> of its bytes
};

// scores[id] for each token; a token longer than 4 KiB is an error.
Result<std::unique_ptr<const TokenModel>> make_unigram(Vocabulary vocabulary,
                                                       std::vector<double> scores,
                                                       UnigramOptions options,
                                                       std::string_view where);

}  // namespace autoglm
