// A directory's tokenizer: the first of the known files.
#include <fmt/format.h>

#include <filesystem>

#include "base/files.h"
#include "text/tokenizer.h"
#include "text/tokenizer/sentence_piece.h"
#include "text/tokenizer/tiktoken.h"
#include "text/tokenizer/tokenizer_config.h"
#include "text/tokenizer/tokenizer_json.h"
#include "text/tokenizer/vocabulary_files.h"

namespace autoglm {

Result<std::unique_ptr<Tokenizer>> Tokenizer::from_directory(const std::string& path) {
  const auto has = [&](std::string_view name) {
    std::error_code ignored;
    return std::filesystem::exists(fmt::format("{}/{}", path, name), ignored);
  };
  const TokenizerConfig config = AGLM_TRY(read_tokenizer_config(path));
  if (has("tokenizer.json")) {
    const std::string file = path + "/tokenizer.json";
    const json::value document = AGLM_TRY(json::parse_file(file));
    return read_tokenizer_json(document, file, config);
  }
  if (has("tokenizer.model")) {
    const std::string file = path + "/tokenizer.model";
    constexpr size_t kMaxBytes = size_t{256} << 20;
    const std::string bytes = AGLM_TRY(read_file(file, kMaxBytes));
    return looks_like_tiktoken(bytes) ? read_tiktoken(bytes, file, config)
                                      : read_sentence_piece(bytes, file, config);
  }
  if (has("vocab.json") && has("merges.txt")) return read_vocab_and_merges(path, config);
  if (has("vocab.txt")) return read_vocab_txt(path, config);
  return Error{ErrorCode::kNotFound,
               "directory has no tokenizer",
               path,
               "tokenizer.json, tokenizer.model, vocab.json with merges.txt, or vocab.txt",
               {}};
}

}  // namespace autoglm
