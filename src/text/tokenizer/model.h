// What turns one piece of text into ids: byte-pair encoding, unigram, WordPiece, WordLevel. Knows
// nothing of special tokens, normalizing or cutting.
#pragma once

#include <string_view>
#include <vector>

#include "autoglm/generation.h"
#include "autoglm/result.h"
#include "text/tokenizer/text_work.h"
#include "text/tokenizer/vocabulary.h"

namespace autoglm {

// Immutable after construction: any thread may use it.
class TokenModel {
 public:
  virtual ~TokenModel() = default;
  // Appends the ids of `piece`, which is valid UTF-8 and not empty. A look at each byte has been
  // paid for: models that may need more of them pay for those.
  virtual Result<void> encode(std::string_view piece, std::vector<TokenId>& ids,
                              TextWork& work) const = 0;
  virtual const Vocabulary& vocabulary() const = 0;
};

// "<0x0A>", as vocabularies with byte fallback spell their bytes.
std::string byte_token_spelling(uint8_t byte);
// The byte that such a spelling stands for.
std::optional<uint8_t> byte_token_value(std::string_view spelling);

}  // namespace autoglm
