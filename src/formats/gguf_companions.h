// What a GGUF file says beside its weights, as the files that a model directory has for it.
#pragma once

#include <string>
#include <string_view>

#include "autoglm/result.h"
#include "formats/checkpoint.h"

namespace autoglm {

// Stands in for tokenizer.json in directories made from a GGUF file: its metadata, no tensors, so
// that the tokenizer is exactly the file's.
inline constexpr std::string_view kVocabularyName = "vocabulary.gguf";

// generation_config.json, the chat templates (each where the file has one) and the vocabulary; not
// config.json. `checkpoint` is a GGUF file.
Result<void> write_gguf_companions(const Checkpoint& checkpoint, const std::string& folder);

}  // namespace autoglm
