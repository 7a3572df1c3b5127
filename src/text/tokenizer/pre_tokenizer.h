// Pre-tokenizers: cut the text into pieces, and sometimes rewrite it, before the model sees it.
#pragma once

#include <memory>
#include <string>

#include "autoglm/result.h"
#include "text/tokenizer/pieces.h"
#include "text/tokenizer/regex.h"

namespace autoglm {

// Immutable after construction: any thread may use it. Text is valid UTF-8 and stays so.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  Result<void> apply(Pieces& pieces, TextWork& work) const;

 private:
  // One pass has been paid for.
  virtual Result<void> run(Pieces& pieces, TextWork& work) const = 0;
};
using PreTokenizerPtr = std::unique_ptr<const PreTokenizer>;

enum class PrependScheme { kAlways, kFirst, kNever };

struct SplitOptions {
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;
};

PreTokenizerPtr make_split(Regex pattern, SplitOptions options);
PreTokenizerPtr make_split(std::string literal, SplitOptions options);
// Cuts at single characters.
PreTokenizerPtr make_split(bool (*separator)(char32_t), SplitOptions options);
// Writes bytes as GPT-2's characters.
PreTokenizerPtr make_byte_level();
// Puts a space before each piece that does not begin with one.
PreTokenizerPtr make_prefix_space();
// The expression with which GPT-2 cuts, for make_split.
Result<Regex> gpt2_pattern();
PreTokenizerPtr make_metaspace(std::string replacement, PrependScheme prepend, bool split);
PreTokenizerPtr make_fixed_length(size_t n_characters);
// Runs of word characters and runs of what is neither word nor space; spaces vanish.
PreTokenizerPtr make_whitespace();

}  // namespace autoglm
