// Models of tokenizer.json.
#include <fmt/format.h>

#include "text/tokenizer/bpe.h"
#include "text/tokenizer/components.h"
#include "text/tokenizer/unigram.h"
#include "text/tokenizer/word_piece.h"

namespace autoglm {
namespace {

std::string_view view(const json::value& string) {
  return {string.get_string().data(), string.get_string().size()};
}

// {"token": id, ...}
Result<Vocabulary> read_vocabulary(const json::Fields& fields) {
  const json::Fields entries = AGLM_TRY(fields.child("vocab"));
  Vocabulary vocabulary;
  constexpr size_t kUsualTokenBytes = 8;
  vocabulary.reserve(entries.raw().size(), entries.raw().size() * kUsualTokenBytes);
  for (const auto& entry : entries.raw()) {
    const std::string_view token(entry.key().data(), entry.key().size());
    if (!entry.value().is_int64()) return entries.wrong(token, "an integer id");
    AGLM_TRY(vocabulary.add(token, entry.value().get_int64(), entries.where()));
  }
  return vocabulary;
}

// "a b" or ["a", "b"].
Result<MergeList> read_merges(const json::Fields& fields) {
  const json::array* entries = AGLM_TRY(fields.list("merges"));
  MergeList merges;
  merges.reserve(entries->size());
  for (size_t i = 0; i < entries->size(); ++i) {
    const json::value& entry = (*entries)[i];
    if (entry.is_array() && entry.get_array().size() == 2 && entry.get_array()[0].is_string() &&
        entry.get_array()[1].is_string()) {
      merges.emplace_back(view(entry.get_array()[0]), view(entry.get_array()[1]));
      continue;
    }
    if (entry.is_string()) {
      const std::string_view pair = view(entry);
      if (pair.starts_with("#version")) continue;
      const size_t space = pair.find(' ');
      if (space != std::string_view::npos && pair.find(' ', space + 1) == std::string_view::npos) {
        merges.emplace_back(pair.substr(0, space), pair.substr(space + 1));
        continue;
      }
    }
    std::string found = boost::json::serialize(entry);
    return Error{ErrorCode::kCorrupt, "merge is malformed",
                 fmt::format("{}.merges[{}]", fields.where(), i), "two tokens",
                 found.substr(0, 60)};
  }
  return merges;
}

Result<std::unique_ptr<const TokenModel>> read_bpe(const json::Fields& fields) {
  if (AGLM_TRY(fields.number_or("dropout", 0)) != 0) {
    return fields.wrong("dropout", "null: ids would be random");
  }
  BpeOptions options;
  options.unknown_token = AGLM_TRY(fields.string_or("unk_token", ""));
  options.continuing_subword_prefix = AGLM_TRY(fields.string_or("continuing_subword_prefix", ""));
  options.end_of_word_suffix = AGLM_TRY(fields.string_or("end_of_word_suffix", ""));
  options.fuse_unknown = AGLM_TRY(fields.boolean_or("fuse_unk", false));
  options.byte_fallback = AGLM_TRY(fields.boolean_or("byte_fallback", false));
  options.ignore_merges = AGLM_TRY(fields.boolean_or("ignore_merges", false));
  Vocabulary vocabulary = AGLM_TRY(read_vocabulary(fields));
  const MergeList merges = AGLM_TRY(read_merges(fields));
  return std::unique_ptr<const TokenModel>(AGLM_TRY(
      BpeModel::from_merges(std::move(vocabulary), merges, std::move(options), fields.where())));
}

Result<std::unique_ptr<const TokenModel>> read_unigram(const json::Fields& fields) {
  const json::array* entries = AGLM_TRY(fields.list("vocab"));
  Vocabulary vocabulary;
  std::vector<double> scores;
  for (size_t i = 0; i < entries->size(); ++i) {
    const json::value& entry = (*entries)[i];
    if (!entry.is_array() || entry.get_array().size() != 2 || !entry.get_array()[0].is_string() ||
        !entry.get_array()[1].is_number()) {
      return fields.wrong("vocab", "pairs of a token and its score");
    }
    AGLM_TRY(vocabulary.add(view(entry.get_array()[0]), static_cast<int64_t>(i), fields.where()));
    scores.push_back(entry.get_array()[1].to_number<double>());
  }
  UnigramOptions options;
  const int64_t unknown = AGLM_TRY(fields.integer_or("unk_id", -1));
  if (unknown < -1 || unknown >= static_cast<int64_t>(entries->size())) {
    return fields.wrong("unk_id", "the id of a token");
  }
  options.unknown_id = static_cast<int32_t>(unknown);
  options.byte_fallback = AGLM_TRY(fields.boolean_or("byte_fallback", false));
  return make_unigram(std::move(vocabulary), std::move(scores), options, fields.where());
}

}  // namespace

Result<std::unique_ptr<const TokenModel>> read_model(const json::Fields& fields) {
  std::string type = AGLM_TRY(fields.string_or("type", ""));
  // Old files leave the type out; only BPE has merges, only Unigram a list of tokens.
  if (type.empty() && fields.find("merges") != nullptr) type = "BPE";
  if (const json::value* vocab = fields.find("vocab");
      type.empty() && vocab != nullptr && vocab->is_array()) {
    type = "Unigram";
  }
  if (type.empty() && fields.find("max_input_chars_per_word") != nullptr) type = "WordPiece";
  if (type == "BPE") return read_bpe(fields);
  if (type == "Unigram") return read_unigram(fields);
  if (type == "WordPiece") {
    WordPieceOptions options;
    options.unknown_token = AGLM_TRY(fields.string_or("unk_token", "[UNK]"));
    options.continuing_subword_prefix =
        AGLM_TRY(fields.string_or("continuing_subword_prefix", "##"));
    const int64_t longest = AGLM_TRY(fields.integer_or("max_input_chars_per_word", 100));
    if (longest < 0) return fields.wrong("max_input_chars_per_word", "0 or more");
    options.max_characters = static_cast<size_t>(longest);
    Vocabulary vocabulary = AGLM_TRY(read_vocabulary(fields));
    return make_word_piece(std::move(vocabulary), std::move(options), fields.where());
  }
  if (type == "WordLevel") {
    Vocabulary vocabulary = AGLM_TRY(read_vocabulary(fields));
    const std::string unknown = AGLM_TRY(fields.string_or("unk_token", "<unk>"));
    return make_word_level(std::move(vocabulary), unknown, fields.where());
  }
  return unknown_type(fields, "model", type);
}

}  // namespace autoglm
