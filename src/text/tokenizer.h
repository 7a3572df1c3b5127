// Text to token ids and back, whatever file the vocabulary came from.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/generation.h"
#include "autoglm/result.h"

namespace autoglm {

// A vocabulary as GGUF carries it (tokenizer.ggml.*), handed over by whoever read the file.
struct EmbeddedVocabulary {
  std::string where;  // for errors: the file's name
  std::string model;  // "gpt2", "llama", "bert", "t5"
  std::string pre;    // "glm4", "llama-bpe", "qwen2", ...; names the pre-tokenizer's expression
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::vector<int32_t>
      token_types;  // 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte
  std::vector<std::string> merges;
  std::optional<int32_t> bos, eos, eot, unknown, padding;
  std::optional<int32_t> cls, separator;  // what BERT puts around a text
  bool add_bos = false;
  bool add_eos = false;
  bool add_space_prefix = true;
};

struct EncodeOptions {
  bool add_special_tokens = true;  // what the post-processor (or add_bos) adds
  bool parse_special = true;       // special tokens spelled in the text become their ids
  // Places, in bytes and ascending, where none is meant: what begins there is text.
  std::span<const size_t> literal = {};
};

// The ids of one text, or of two that are read together, with what the post-processor puts around
// them, and for each id which of the two it counts to.
struct FramedIds {
  std::vector<TokenId> ids;
  std::vector<uint8_t> types;
};

// Immutable after construction: any thread may use it.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Looks for tokenizer.json, then tokenizer.model (SentencePiece or tiktoken), then vocab.json
  // with merges.txt, then vocab.txt; reads tokenizer_config.json and special_tokens_map.json beside
  // it.
  static Result<std::unique_ptr<Tokenizer>> from_directory(const std::string& path);
  static Result<std::unique_ptr<Tokenizer>> from_vocabulary(EmbeddedVocabulary vocabulary);

  virtual Result<std::vector<TokenId>> encode(std::string_view text,
                                              EncodeOptions options = {}) const = 0;
  // What encode() with add_special_tokens makes of the ids that it gives without. An error where
  // the tokenizer has no form for two texts.
  virtual Result<FramedIds> frame(std::span<const TokenId> first,
                                  std::optional<std::span<const TokenId>> second) const;
  // Ids out of range are an error.
  virtual Result<std::string> decode(std::span<const TokenId> ids,
                                     bool skip_special_tokens) const = 0;
  // The bytes that the token stands for on its own (no decoder applied across tokens); "" if
  // unknown.
  virtual std::string token_bytes(TokenId id) const = 0;
  // The vocabulary's own spelling ("Ġthe", "▁the").
  virtual std::string token_spelling(TokenId id) const = 0;
  virtual std::optional<TokenId> token_id(std::string_view spelling) const = 0;
  virtual bool is_special(TokenId id) const = 0;
  virtual int32_t vocab_size() const = 0;  // one more than the largest id
  virtual std::optional<TokenId> bos() const = 0;
  virtual std::optional<TokenId> eos() const = 0;
};

// Decodes a growing answer. What push() returns never ends inside a character, and all it has
// returned, with finish(), equals decode() of all ids.
class StreamDecoder {
 public:
  StreamDecoder(const Tokenizer& tokenizer, bool skip_special_tokens)
      : tokenizer_(&tokenizer), skip_special_tokens_(skip_special_tokens) {}
  // Before the first push(): what comes continues the text of these. A character that they leave
  // incomplete is given whole.
  void follow(std::span<const TokenId> before);
  std::string push(TokenId id);
  std::string finish();

 private:
  std::string advance(bool last);

  const Tokenizer* tokenizer_;
  bool skip_special_tokens_;
  std::vector<TokenId> ids_;
  size_t prefix_begin_ = 0;  // ids_[prefix_begin_, prefix_end_) are context for the ids after them
  size_t prefix_end_ = 0;
};

}  // namespace autoglm
