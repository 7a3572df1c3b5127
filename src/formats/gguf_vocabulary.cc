#include "formats/gguf_vocabulary.h"

#include <fmt/format.h>

#include "base/files.h"
#include "base/log.h"

namespace autoglm {
namespace {

Result<std::optional<int32_t>> token_id(const Gguf& gguf, std::string_view key, size_t n_tokens) {
  const auto id = AGLM_TRY(gguf.integer(key));
  // Converters write 2^32 - 1 or -1 for "none".
  if (!id || *id == -1 || *id == 0xffffffff) return std::optional<int32_t>();
  if (*id < 0 || static_cast<uint64_t>(*id) >= n_tokens) {
    // As llama.cpp: such an id can neither be written nor read.
    logger()->warn("{}: {}: {} is no token of this vocabulary (0 to {}) and is left out",
                   gguf.where, key, *id, n_tokens - 1);
    return std::optional<int32_t>();
  }
  return std::optional<int32_t>(static_cast<int32_t>(*id));
}

Result<std::vector<std::string>> strings(const Gguf& gguf, std::string_view key) {
  const GgufArray* array = AGLM_TRY(gguf.array(key));
  if (array == nullptr) return std::vector<std::string>();
  if (array->element != GgufType::kString && array->count > 0) {
    return gguf.wrong(key, "an array of strings");
  }
  const auto views = array->strings();
  return std::vector<std::string>(views.begin(), views.end());
}

Result<std::vector<double>> numbers(const Gguf& gguf, std::string_view key, size_t n_tokens) {
  const GgufArray* array = AGLM_TRY(gguf.array(key));
  if (array == nullptr) return std::vector<double>();
  auto values = array->numbers();
  if (values.size() != n_tokens) {
    return gguf.wrong(key, fmt::format("an array of {} numbers", n_tokens));
  }
  return values;
}

}  // namespace

Result<GgufVocabulary> gguf_vocabulary(const Gguf& gguf) {
  GgufVocabulary vocabulary;
  vocabulary.where = gguf.where;
  const auto model = AGLM_TRY(gguf.string("tokenizer.ggml.model"));
  if (!model) return gguf.wrong("tokenizer.ggml.model", "the kind of vocabulary");
  vocabulary.model = *model;
  vocabulary.pre = AGLM_TRY(gguf.string("tokenizer.ggml.pre")).value_or("");
  vocabulary.tokens = AGLM_TRY(strings(gguf, "tokenizer.ggml.tokens"));
  const size_t n_tokens = vocabulary.tokens.size();
  if (n_tokens == 0) return gguf.wrong("tokenizer.ggml.tokens", "at least one token");
  if (n_tokens > size_t{1} << 24) return gguf.wrong("tokenizer.ggml.tokens", "at most 2^24");
  for (const double score : AGLM_TRY(numbers(gguf, "tokenizer.ggml.scores", n_tokens))) {
    vocabulary.scores.push_back(static_cast<float>(score));
  }
  for (const double type : AGLM_TRY(numbers(gguf, "tokenizer.ggml.token_type", n_tokens))) {
    if (!(type >= 0 && type <= 6)) {
      return gguf.wrong("tokenizer.ggml.token_type", "types from 0 to 6");
    }
    vocabulary.token_types.push_back(static_cast<int32_t>(type));
  }
  vocabulary.merges = AGLM_TRY(strings(gguf, "tokenizer.ggml.merges"));
  vocabulary.bos = AGLM_TRY(token_id(gguf, "tokenizer.ggml.bos_token_id", n_tokens));
  vocabulary.eos = AGLM_TRY(token_id(gguf, "tokenizer.ggml.eos_token_id", n_tokens));
  vocabulary.eot = AGLM_TRY(token_id(gguf, "tokenizer.ggml.eot_token_id", n_tokens));
  vocabulary.unknown = AGLM_TRY(token_id(gguf, "tokenizer.ggml.unknown_token_id", n_tokens));
  vocabulary.padding = AGLM_TRY(token_id(gguf, "tokenizer.ggml.padding_token_id", n_tokens));
  vocabulary.cls = AGLM_TRY(token_id(gguf, "tokenizer.ggml.cls_token_id", n_tokens));
  vocabulary.separator = AGLM_TRY(token_id(gguf, "tokenizer.ggml.separator_token_id", n_tokens));
  if (!vocabulary.separator) {  // as converters spell it
    vocabulary.separator = AGLM_TRY(token_id(gguf, "tokenizer.ggml.seperator_token_id", n_tokens));
  }
  // Without the keys, llama.cpp puts the first token before the texts of SentencePiece and BERT,
  // the last one after those of T5, and BERT's separator in any case.
  const bool bert = vocabulary.model == "bert";
  vocabulary.add_bos = AGLM_TRY(gguf.boolean("tokenizer.ggml.add_bos_token"))
                           .value_or(vocabulary.model == "llama" || bert);
  vocabulary.add_eos =
      AGLM_TRY(gguf.boolean("tokenizer.ggml.add_eos_token")).value_or(vocabulary.model == "t5");
  vocabulary.add_space_prefix =
      AGLM_TRY(gguf.boolean("tokenizer.ggml.add_space_prefix")).value_or(true);
  return vocabulary;
}

Result<GgufVocabulary> read_gguf_vocabulary(const std::string& path) {
  const MappedFile file = AGLM_TRY(MappedFile::open(path));
  const Gguf gguf = AGLM_TRY(parse_gguf(file.bytes(), path));
  return gguf_vocabulary(gguf);
}

}  // namespace autoglm
