// The files with which sentence-transformers says what follows a model: how the rows of a text
// become one vector, and whether that is scaled to length 1. Modules that we cannot run are errors
// that name them: without them the vectors would be others than the checkpoint was made for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "autoglm/result.h"

namespace autoglm {

struct SentenceModules {
  std::string pooling;               // "mean", "cls", "lasttoken", "max", ...: its own names
  std::optional<int64_t> dimension;  // of the rows that are pooled
  bool normalize = false;
};

// modules.json of a checkpoint's folder, and the folder of its pooling; nullopt: it has none.
Result<std::optional<SentenceModules>> read_sentence_modules(const std::string& directory);

// Tokens that sentence-transformers cuts texts to (sentence_bert_config.json and its kin); nullopt:
// nothing is said.
Result<std::optional<int64_t>> read_sentence_length(const std::string& directory);

}  // namespace autoglm
