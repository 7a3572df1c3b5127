// The tokenizer that a GGUF file carries (tokenizer.ggml.*), as plain data. Whoever builds a
// tokenizer copies the fields: this room does not know text/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "autoglm/result.h"
#include "formats/gguf.h"

namespace autoglm {

struct GgufVocabulary {
  std::string where;  // the file's name, for errors
  std::string model;  // "gpt2", "llama", "bert", "t5"
  std::string pre;    // "glm4", "llama-bpe", ...; empty when the file names none
  std::vector<std::string> tokens;
  std::vector<float> scores;         // empty, or one a token
  std::vector<int32_t> token_types;  // empty, or one a token: 1 normal, 2 unknown, 3 control,
                                     // 4 user defined, 5 unused, 6 byte
  std::vector<std::string> merges;
  std::optional<int32_t> bos, eos, eot, unknown, padding;
  std::optional<int32_t> cls, separator;  // what BERT puts around a text
  bool add_bos = false;
  bool add_eos = false;
  bool add_space_prefix = true;
};

// Errors when the file has no vocabulary, when lists differ in length, or an id is out of range.
Result<GgufVocabulary> gguf_vocabulary(const Gguf& gguf);

// The vocabulary of the file at `path`, whatever its architecture and whether it holds tensors.
Result<GgufVocabulary> read_gguf_vocabulary(const std::string& path);

}  // namespace autoglm
