// Both become pipelines.
#include "text/tokenizer/vocabulary_files.h"

#include <fmt/format.h>

#include "base/files.h"
#include "base/json.h"
#include "text/tokenizer/bpe.h"
#include "text/tokenizer/patterns.h"
#include "text/tokenizer/pipeline.h"
#include "text/tokenizer/word_piece.h"

namespace autoglm {
namespace {

constexpr size_t kMaxFileBytes = size_t{256} << 20;

// Calls read(line, number) for each line; lines end with \n, a \r before it is dropped.
template <class Read>
Result<void> for_each_line(std::string_view text, Read read) {
  for (size_t at = 0, number = 1; at < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    AGLM_TRY(read(line, number));
    at = end + 1;
  }
  return {};
}

// Names in the configuration that the vocabulary knows become special tokens.
Result<void> add_named(const TokenizerConfig& config, const Vocabulary& vocabulary,
                       PipelineParts& parts) {
  std::vector<std::string> names = config.special;
  for (const auto& name : {config.bos, config.eos, config.unknown, config.padding}) {
    if (name) names.push_back(*name);
  }
  for (const std::string& name : names) {
    const std::optional<int32_t> id = vocabulary.find(name);
    if (!id || parts.added.id_of(name)) continue;
    AGLM_TRY(parts.added.add({.content = name, .special = true}, TokenId{*id}, parts.where));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> read_vocab_and_merges(const std::string& directory,
                                                         const TokenizerConfig& config) {
  const std::string vocab_path = directory + "/vocab.json";
  const std::string merges_path = directory + "/merges.txt";
  const json::value document = AGLM_TRY(json::parse_file(vocab_path));
  const json::Fields entries = AGLM_TRY(json::fields_of(document, vocab_path));
  const std::string merges_text = AGLM_TRY(read_file(merges_path, kMaxFileBytes));
  PipelineParts parts;
  parts.where = vocab_path;

  Vocabulary vocabulary;
  constexpr size_t kUsualTokenBytes = 8;
  vocabulary.reserve(entries.raw().size(), entries.raw().size() * kUsualTokenBytes);
  for (const auto& entry : entries.raw()) {
    const std::string_view token(entry.key().data(), entry.key().size());
    if (!entry.value().is_int64()) return entries.wrong(token, "an integer id");
    AGLM_TRY(vocabulary.add(token, entry.value().get_int64(), vocab_path));
  }
  MergeList merges;
  const auto read_merge = [&](std::string_view line, size_t number) -> Result<void> {
    if (line.empty() || (number == 1 && line.starts_with("#version"))) return {};
    const size_t space = line.find(' ');
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
      return Error{ErrorCode::kCorrupt, "merge is malformed",
                   fmt::format("{}: line {}", merges_path, number), "two tokens",
                   std::string(line.substr(0, 60))};
    }
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
    return {};
  };
  AGLM_TRY(for_each_line(merges_text, read_merge));

  const bool qwen = config.tokenizer_class.starts_with("Qwen2");
  if (qwen) parts.normalizer = make_unicode_form(NormalForm::kNfc);
  if (config.add_prefix_space.value_or(false)) parts.pre_tokenizers.push_back(make_prefix_space());
  Regex pattern = AGLM_TRY(
      Regex::compile(qwen ? kQwen2Pattern : kGpt2Pattern, vocab_path, RegexDialect::kOniguruma));
  parts.pre_tokenizers.push_back(make_split(std::move(pattern), SplitOptions{}));
  parts.pre_tokenizers.push_back(make_byte_level());
  parts.decoders.push_back(make_byte_level_decoder());
  AGLM_TRY(add_config_tokens(config, 0, parts));
  AGLM_TRY(add_named(config, vocabulary, parts));
  if (config.added.empty() && config.special.empty() && !config.eos) {
    // GPT-2's own files come without a configuration.
    TokenizerConfig bare;
    bare.eos = "<|endoftext|>";
    AGLM_TRY(add_named(bare, vocabulary, parts));
    parts.eos = parts.added.id_of("<|endoftext|>");
    parts.bos = parts.eos;
  }
  BpeOptions options;
  options.unknown_token = config.unknown.value_or("");
  parts.model = AGLM_TRY(
      BpeModel::from_merges(std::move(vocabulary), merges, std::move(options), merges_path));
  apply_config(config, parts);
  return make_pipeline(std::move(parts));
}

Result<std::unique_ptr<Tokenizer>> read_vocab_txt(const std::string& directory,
                                                  const TokenizerConfig& config) {
  const std::string path = directory + "/vocab.txt";
  const std::string text = AGLM_TRY(read_file(path, kMaxFileBytes));
  PipelineParts parts;
  parts.where = path;
  Vocabulary vocabulary;
  const auto read_token = [&](std::string_view line, size_t number) {
    return vocabulary.add(line, static_cast<int64_t>(number) - 1, path);
  };
  AGLM_TRY(for_each_line(text, read_token));
  WordPieceOptions options;
  options.unknown_token = config.unknown.value_or("[UNK]");

  TokenizerConfig named = config;
  for (const std::string_view name : {"[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"}) {
    named.special.emplace_back(name);
  }
  AGLM_TRY(add_config_tokens(config, 0, parts));
  AGLM_TRY(add_named(named, vocabulary, parts));
  const bool lowercase = config.lowercase.value_or(true);
  parts.normalizer = make_bert_normalizer({.strip_accents = lowercase, .lowercase = lowercase});
  parts.pre_tokenizers.push_back(make_split(is_white_space, {SplitBehavior::kRemoved, false}));
  parts.pre_tokenizers.push_back(make_split(is_punctuation, SplitOptions{}));
  parts.decoders.push_back(make_word_piece_decoder("##", true));
  const auto cls = vocabulary.find("[CLS]"), sep = vocabulary.find("[SEP]");
  if (cls && sep) parts.frames.push_back(bert_frame(TokenId{*cls}, TokenId{*sep}));
  parts.model = AGLM_TRY(make_word_piece(std::move(vocabulary), std::move(options), path));
  apply_config(config, parts);
  return make_pipeline(std::move(parts));
}

}  // namespace autoglm
