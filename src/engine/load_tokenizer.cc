// Copies a GGUF file's vocabulary over to the text room, which does not know GGUF.
#include "engine/load_tokenizer.h"

#include <filesystem>
#include <utility>

#include "formats/gguf_vocabulary.h"

namespace autoglm {
namespace {

EmbeddedVocabulary embedded(GgufVocabulary from) {
  return {.where = std::move(from.where),
          .model = std::move(from.model),
          .pre = std::move(from.pre),
          .tokens = std::move(from.tokens),
          .scores = std::move(from.scores),
          .token_types = std::move(from.token_types),
          .merges = std::move(from.merges),
          .bos = from.bos,
          .eos = from.eos,
          .eot = from.eot,
          .unknown = from.unknown,
          .padding = from.padding,
          .add_bos = from.add_bos,
          .add_eos = from.add_eos,
          .add_space_prefix = from.add_space_prefix};
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> load_tokenizer(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    return std::shared_ptr<const Tokenizer>(AGLM_TRY(Tokenizer::from_directory(path)));
  }
  GgufVocabulary vocabulary = AGLM_TRY(read_gguf_vocabulary(path));
  return std::shared_ptr<const Tokenizer>(
      AGLM_TRY(Tokenizer::from_vocabulary(embedded(std::move(vocabulary)))));
}

}  // namespace autoglm
