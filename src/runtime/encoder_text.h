// From texts to what an encoder reads: ids, cut where that was asked for, with the special tokens
// that the tokenizer puts around one text or two.
#pragma once

#include <optional>
#include <string_view>

#include "autoglm/encoding.h"
#include "text/tokenizer.h"

namespace autoglm {

Result<EncoderText> make_encoder_text(const Tokenizer& tokenizer, std::string_view text,
                                      std::optional<std::string_view> second,
                                      const EncoderTextOptions& options);

}  // namespace autoglm
