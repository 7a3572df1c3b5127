// Internal to synthetic checkpoints: a byte-level BPE vocabulary of any size whose merges are
// valid, as tokenizer.json and as GGUF metadata. Every text encodes and decodes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "formats/gguf_writer.h"

namespace autoglm {

struct SyntheticVocabulary {
  std::vector<std::string> tokens;  // 256 bytes, merged pairs, then three special tokens
  std::vector<std::string> merges;  // "a b"
  int64_t specials_begin = 0;       // <|endoftext|>, <|user|>, <|assistant|>
};

SyntheticVocabulary synthetic_vocabulary(int64_t size);
std::string tokenizer_json(const SyntheticVocabulary& vocabulary);
void add_vocabulary(const SyntheticVocabulary& vocabulary, GgufMetadata& metadata);

}  // namespace autoglm
