// Copies a GGUF file's vocabulary over to the text room, which does not know GGUF.
#include "runtime/load_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "formats/gguf_companions.h"
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
          .cls = from.cls,
          .separator = from.separator,
          .add_bos = from.add_bos,
          .add_eos = from.add_eos,
          .add_space_prefix = from.add_space_prefix};
}

Result<std::shared_ptr<const Tokenizer>> from_gguf(const std::string& path) {
  GgufVocabulary vocabulary = AGLM_TRY(read_gguf_vocabulary(path));
  return std::shared_ptr<const Tokenizer>(
      AGLM_TRY(Tokenizer::from_vocabulary(embedded(std::move(vocabulary)))));
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> load_tokenizer(const std::string& path) {
  std::error_code ignored;
  const std::string packed = fmt::format("{}/{}", path, kVocabularyName);
  if (std::filesystem::is_regular_file(packed, ignored)) return from_gguf(packed);
  if (std::filesystem::is_directory(path, ignored)) {
    return std::shared_ptr<const Tokenizer>(AGLM_TRY(Tokenizer::from_directory(path)));
  }
  return from_gguf(path);
}

Result<void> check_same_vocabulary(const Tokenizer& target, const Tokenizer& draft,
                                   const std::string& where) {
  const auto described = [](const Tokenizer& tokenizer, TokenId id) -> std::string {
    if (static_cast<int32_t>(id) >= tokenizer.vocab_size()) return "no such token";
    return fmt::format("\"{}\"{}", tokenizer.token_spelling(id),
                       tokenizer.is_special(id) ? " (special)" : "");
  };
  const int32_t n = std::max(target.vocab_size(), draft.vocab_size());
  for (int32_t i = 0; i < n; ++i) {
    const TokenId id{i};
    std::string wanted = described(target, id);
    std::string found = described(draft, id);
    if (wanted == found) continue;
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "the draft model's vocabulary is not the model's",
                 .where = fmt::format("{}: token {}", where, i),
                 .expected = std::move(wanted),
                 .found = std::move(found)};
  }
  return {};
}

}  // namespace autoglm
