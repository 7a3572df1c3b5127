// The tokenizer as a pipeline: added tokens are cut out, the rest is normalized, cut into pieces,
// turned into ids by a model, and framed by special tokens; decoders go the other way. Every source
// of vocabularies but SentencePiece files builds one of these.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "text/tokenizer.h"
#include "text/tokenizer/added_tokens.h"
#include "text/tokenizer/decoder.h"
#include "text/tokenizer/model.h"
#include "text/tokenizer/normalizer.h"
#include "text/tokenizer/pre_tokenizer.h"
#include "text/tokenizer/tokenizer_config.h"

namespace autoglm {

// A part of two texts that are framed together: one of the texts, or a special token.
struct PairPart {
  enum class What : uint8_t { kFirst, kSecond, kSpecial };
  What what = What::kSpecial;
  TokenId id{};      // kSpecial
  uint8_t type = 0;  // of its ids: which of the texts they count to
};

// What stands before and after the text's own ids.
struct Frame {
  std::vector<TokenId> before;
  std::vector<TokenId> after;
  std::vector<PairPart> pair{};  // of two texts, each once; empty: there is no form for them
};
// [CLS] first [SEP] second [SEP], the last two of type 1.
Frame bert_frame(TokenId cls, TokenId sep);

struct PipelineParts {
  std::string where;
  AddedTokens added;         // finish() is called by make_pipeline
  NormalizerPtr normalizer;  // may be null
  std::vector<PreTokenizerPtr> pre_tokenizers;
  std::unique_ptr<const TokenModel> model;
  std::vector<Frame> frames;  // the innermost first
  std::vector<DecoderPtr> decoders;
  std::optional<TokenId> bos, eos;
};

// Adds the tokens of added_tokens_decoder with `first_id` and above, and marks as special what
// additional_special_tokens names. `parts.model` need not be set yet.
Result<void> add_config_tokens(const TokenizerConfig& config, int32_t first_id,
                               PipelineParts& parts);

// Adds the tokens that the configuration names and tokenizer.json lacks, in transformers' order:
// with the model's id where the model knows the token, else with the next free one.
Result<void> add_missing_tokens(const TokenizerConfig& config, PipelineParts& parts);

// Takes bos and eos from the configuration and, if nothing frames the text yet, the frame that
// add_bos_token and add_eos_token ask for. Names that no token has are passed over.
void apply_config(const TokenizerConfig& config, PipelineParts& parts);

// Ids in frames, bos and eos that no token has are an error.
Result<std::unique_ptr<Tokenizer>> make_pipeline(PipelineParts parts);

}  // namespace autoglm
