// tokenizer_config.json and special_tokens_map.json, as far as they say what tokens there are and
// which of them frame a text. Both may be missing.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "autoglm/result.h"
#include "base/json.h"
#include "text/tokenizer/added_tokens.h"

namespace autoglm {

struct TokenizerConfig {
  std::string tokenizer_class;
  std::optional<std::string> bos, eos, unknown, padding;
  std::optional<std::string> pattern;  // pat_str: the expression that cuts text, for tiktoken files
  std::optional<bool> add_bos, add_eos, add_prefix_space, lowercase;
  // false: of a text that special tokens cut into parts, the first alone gets a space before it.
  std::optional<bool> legacy;
  std::vector<std::pair<int64_t, AddedToken>> added;  // added_tokens_decoder
  std::vector<std::string> special;  // extra_special_tokens (once additional_...), without ids
};

// `directory` ends without a slash.
Result<TokenizerConfig> read_tokenizer_config(const std::string& directory);

// The flags of one added token, as tokenizer.json and tokenizer_config.json spell them.
Result<AddedToken> read_added_token(const json::Fields& fields);

}  // namespace autoglm
