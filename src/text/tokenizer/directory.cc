// A directory's tokenizer: the first of the known files.
#include <fmt/format.h>

#include <filesystem>

#include "text/tokenizer.h"
#include "text/tokenizer/tokenizer_config.h"
#include "text/tokenizer/tokenizer_json.h"

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
  return Error{ErrorCode::kNotFound,
               "directory has no tokenizer",
               path,
               "tokenizer.json, tokenizer.model, vocab.json with merges.txt, or vocab.txt",
               {}};
}

}  // namespace autoglm
