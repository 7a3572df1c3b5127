// Decoders: the spellings of an answer's tokens back to text. Each step maps a list of strings to a
// list of strings; the text is what the last one leaves, joined.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "text/tokenizer/pre_tokenizer.h"
#include "text/tokenizer/regex.h"

namespace autoglm {

// Immutable after construction: any thread may use it.
class Decoder {
 public:
  virtual ~Decoder() = default;
  Result<void> apply(std::vector<std::string>& tokens, TextWork& work) const;
  // The bytes that one token stands for on its own, as far as this step has a say.
  Result<std::string> alone(std::string bytes, TextWork& work) const;

 private:
  // One pass has been paid for; what grows a text checks its size on the way.
  virtual Result<void> run(std::vector<std::string>& tokens, TextWork& work) const = 0;
  virtual Result<std::string> run_alone(std::string bytes, TextWork& /*work*/) const {
    return bytes;
  }
};
using DecoderPtr = std::unique_ptr<const Decoder>;

DecoderPtr make_byte_level_decoder();
DecoderPtr make_byte_fallback_decoder();
DecoderPtr make_fuse_decoder();
// Takes up to `start` of `content` (one character) from the front of each string and up to `stop`
// from its end.
DecoderPtr make_strip_decoder(std::string content, size_t start, size_t stop);
DecoderPtr make_replace_decoder(std::string literal, std::string content);
DecoderPtr make_replace_decoder(Regex pattern, std::string content);
DecoderPtr make_metaspace_decoder(std::string replacement, PrependScheme prepend);
DecoderPtr make_word_piece_decoder(std::string prefix, bool clean_up);
DecoderPtr make_bpe_decoder(std::string suffix);
// What the reference does without a decoder: a space between tokens.
DecoderPtr make_space_joining_decoder();

}  // namespace autoglm
