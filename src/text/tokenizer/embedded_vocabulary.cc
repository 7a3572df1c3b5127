// Vocabularies as GGUF carries them, made into pipelines that give llama.cpp's ids.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/utf8.h"
#include "text/tokenizer.h"
#include "text/tokenizer/bpe.h"
#include "text/tokenizer/patterns.h"
#include "text/tokenizer/pipeline.h"
#include "text/tokenizer/turn_ends.h"
#include "text/tokenizer/unicode.h"
#include "text/tokenizer/unigram.h"
#include "text/tokenizer/word_piece.h"

namespace autoglm {
namespace {

constexpr std::string_view kMark =
    "\xE2\x96\x81";  // U+2581, which SentencePiece writes for a space
enum TokenType : int32_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4 };

Error wrong(const EmbeddedVocabulary& vocabulary, std::string_view field, std::string_view expected,
            std::string found) {
  return Error{ErrorCode::kCorrupt, "vocabulary is malformed",
               fmt::format("{}: tokenizer.ggml.{}", vocabulary.where, field), std::string(expected),
               std::move(found)};
}

Result<void> check(const EmbeddedVocabulary& v) {
  if (v.tokens.empty()) return wrong(v, "tokens", "at least one", "none");
  for (size_t i = 0; i < v.tokens.size(); ++i) {
    if (!is_valid_utf8(v.tokens[i])) {
      return wrong(v, "tokens", "UTF-8", fmt::format("broken bytes in token {}", i));
    }
  }
  const std::string n_tokens = std::to_string(v.tokens.size());
  if (!v.scores.empty() && v.scores.size() != v.tokens.size()) {
    return wrong(v, "scores", n_tokens, std::to_string(v.scores.size()));
  }
  if (!v.token_types.empty() && v.token_types.size() != v.tokens.size()) {
    return wrong(v, "token_type", n_tokens, std::to_string(v.token_types.size()));
  }
  for (const auto& [name, id] : {std::pair("bos_token_id", v.bos),
                                 {"eos_token_id", v.eos},
                                 {"unknown_token_id", v.unknown},
                                 {"cls_token_id", v.cls},
                                 {"separator_token_id", v.separator}}) {
    if (id && (*id < 0 || *id >= static_cast<int64_t>(v.tokens.size()))) {
      return wrong(v, name, fmt::format("0 to {}", v.tokens.size() - 1), std::to_string(*id));
    }
  }
  return {};
}

// The first of equal spellings keeps it; later ones stay reachable by their ids.
Result<Vocabulary> vocabulary_of(const EmbeddedVocabulary& v) {
  Vocabulary vocabulary;
  constexpr size_t kUsualTokenBytes = 8;
  vocabulary.reserve(v.tokens.size(), v.tokens.size() * kUsualTokenBytes);
  for (size_t id = v.tokens.size(); id-- > 0;) {
    AGLM_TRY(vocabulary.add(v.tokens[id], static_cast<int64_t>(id), v.where));
  }
  return vocabulary;
}

// Control tokens are special; user-defined ones are only cut out. Converters have given ends of
// turns the type of ordinary text: llama.cpp makes control tokens of them, and so do we.
Result<void> add_tokens(const EmbeddedVocabulary& v, PipelineParts& parts) {
  for (size_t id = 0; id < v.tokens.size(); ++id) {
    int32_t type = v.token_types.empty() ? kNormal : v.token_types[id];
    if (is_turn_end(v.tokens[id])) type = kControl;
    if (type != kControl && type != kUserDefined && type != kUnknown) continue;
    AddedToken token{.content = v.tokens[id], .special = type != kUserDefined};
    // llama.cpp writes user-defined tokens with their spaces.
    if (v.model != "gpt2" && type == kUserDefined) {
      TextWork work(token.content.size());
      token.content = AGLM_TRY(replace_literal(token.content, kMark, " ", work));
    }
    AGLM_TRY(parts.added.add(std::move(token), TokenId{static_cast<int32_t>(id)}, v.where));
  }
  return {};
}

Result<void> build_gpt2(const EmbeddedVocabulary& v, PipelineParts& parts) {
  const GgufPreTokenizer* pre = find_gguf_pre_tokenizer(v.pre);
  if (pre == nullptr) {
    return Error{ErrorCode::kUnsupported, "pre-tokenizer is not known",
                 v.where + ": tokenizer.ggml.pre", "a name that llama.cpp writes", v.pre};
  }
  for (const std::string_view pattern : pre->patterns) {
    Regex regex = AGLM_TRY(Regex::compile(pattern, v.pre, RegexDialect::kOniguruma));
    parts.pre_tokenizers.push_back(make_split(std::move(regex), SplitOptions{}));
  }
  parts.pre_tokenizers.push_back(make_byte_level());
  parts.decoders.push_back(make_byte_level_decoder());
  Vocabulary vocabulary = AGLM_TRY(vocabulary_of(v));
  MergeList merges;
  merges.reserve(v.merges.size());
  for (size_t i = 0; i < v.merges.size(); ++i) {
    const std::string_view merge = v.merges[i];
    const size_t space = merge.find(' ', 1);  // a token may itself begin with a space
    if (space == std::string_view::npos) {
      return wrong(v, "merges", "two tokens", fmt::format("\"{}\"", merge.substr(0, 60)));
    }
    merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  }
  parts.model = AGLM_TRY(BpeModel::from_merges(std::move(vocabulary), merges,
                                               {.ignore_merges = pre->ignore_merges}, v.where));
  return {};
}

// SentencePiece BPE: the pair that joins into the token with the best score comes first.
Result<void> build_llama(const EmbeddedVocabulary& v, PipelineParts& parts) {
  if (v.scores.empty()) return wrong(v, "scores", "one for each token", "none");
  std::vector<float> distinct = v.scores;
  if (std::any_of(distinct.begin(), distinct.end(), [](float s) { return std::isnan(s); })) {
    return wrong(v, "scores", "numbers", "NaN");
  }
  std::sort(distinct.begin(), distinct.end(), std::greater<>());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  std::vector<int32_t> ranks(v.tokens.size());
  for (size_t id = 0; id < ranks.size(); ++id) {
    const auto place =
        std::lower_bound(distinct.begin(), distinct.end(), v.scores[id], std::greater<>());
    ranks[id] = static_cast<int32_t>(place - distinct.begin());
  }
  BpeOptions options{.byte_fallback = true};
  if (v.unknown) options.unknown_token = v.tokens[static_cast<size_t>(*v.unknown)];
  Vocabulary vocabulary = AGLM_TRY(vocabulary_of(v));
  parts.model =
      AGLM_TRY(BpeModel::from_ranks(std::move(vocabulary), ranks, std::move(options), v.where));
  std::vector<NormalizerPtr> steps;
  if (v.add_space_prefix) steps.push_back(make_prepend(" "));
  steps.push_back(make_replace(" ", std::string(kMark)));
  parts.normalizer = make_sequence(std::move(steps));
  parts.decoders.push_back(make_replace_decoder(std::string(kMark), " "));
  parts.decoders.push_back(make_byte_fallback_decoder());
  parts.decoders.push_back(make_fuse_decoder());
  if (v.add_space_prefix) parts.decoders.push_back(make_strip_decoder(" ", 1, 0));
  return {};
}

// GGUF marks the beginning of a word; WordPiece marks what continues one.
Result<void> build_bert(const EmbeddedVocabulary& v, PipelineParts& parts) {
  Vocabulary vocabulary;
  for (size_t id = 0; id < v.tokens.size(); ++id) {
    const std::string& token = v.tokens[id];
    const bool begins_word = token.starts_with(kMark);
    const bool bracketed = token.starts_with('[') && token.ends_with(']') && token.size() > 2;
    const std::string spelling = begins_word ? token.substr(kMark.size())
                                 : bracketed ? token
                                             : "##" + token;
    AGLM_TRY(vocabulary.add(spelling, static_cast<int64_t>(id), v.where));
    if (bracketed) {
      AGLM_TRY(parts.added.add({.content = token, .special = true},
                               TokenId{static_cast<int32_t>(id)}, v.where));
    }
  }
  WordPieceOptions options;
  if (v.unknown) options.unknown_token = v.tokens[static_cast<size_t>(*v.unknown)];
  parts.model = AGLM_TRY(make_word_piece(std::move(vocabulary), std::move(options), v.where));
  parts.normalizer = make_bert_normalizer({});
  parts.pre_tokenizers.push_back(make_split(is_white_space, {SplitBehavior::kRemoved, false}));
  parts.pre_tokenizers.push_back(make_split(is_punctuation, SplitOptions{}));
  parts.decoders.push_back(make_word_piece_decoder("##", false));
  return {};
}

// [CLS] and [SEP], which old files do not name.
Frame bert_frame(const EmbeddedVocabulary& v) {
  const auto id_of = [&](std::optional<int32_t> named, std::optional<int32_t> second,
                         std::string_view spelling) {
    if (!named) named = second;
    if (const auto at = std::find(v.tokens.begin(), v.tokens.end(), spelling);
        !named && at != v.tokens.end()) {
      named = static_cast<int32_t>(at - v.tokens.begin());
    }
    return named;
  };
  Frame frame;
  const auto cls = id_of(v.cls, v.bos, "[CLS]");
  const auto separator = id_of(v.separator, v.eos, "[SEP]");
  if (v.add_bos && cls) frame.before.push_back(TokenId{*cls});
  if (separator) frame.after.push_back(TokenId{*separator});
  return frame;
}

Result<void> build_unigram(const EmbeddedVocabulary& v, PipelineParts& parts) {
  if (v.scores.empty()) return wrong(v, "scores", "one for each token", "none");
  Vocabulary vocabulary = AGLM_TRY(vocabulary_of(v));
  parts.model = AGLM_TRY(
      make_unigram(std::move(vocabulary), std::vector<double>(v.scores.begin(), v.scores.end()),
                   {.unknown_id = v.unknown.value_or(-1), .byte_fallback = true}, v.where));
  parts.normalizer = make_unicode_form(NormalForm::kNfkc);
  parts.pre_tokenizers.push_back(
      make_metaspace(std::string(kMark),
                     v.add_space_prefix ? PrependScheme::kAlways : PrependScheme::kNever, true));
  parts.decoders.push_back(make_byte_fallback_decoder());
  parts.decoders.push_back(make_metaspace_decoder(std::string(kMark), PrependScheme::kAlways));
  return {};
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> Tokenizer::from_vocabulary(EmbeddedVocabulary vocabulary) {
  AGLM_TRY(check(vocabulary));
  PipelineParts parts;
  parts.where = vocabulary.where;
  if (vocabulary.model == "gpt2") {
    AGLM_TRY(build_gpt2(vocabulary, parts));
  } else if (vocabulary.model == "llama") {
    AGLM_TRY(build_llama(vocabulary, parts));
  } else if (vocabulary.model == "bert") {
    AGLM_TRY(build_bert(vocabulary, parts));
  } else if (vocabulary.model == "t5") {
    AGLM_TRY(build_unigram(vocabulary, parts));
  } else {
    return Error{ErrorCode::kUnsupported, "tokenizer model is not known",
                 vocabulary.where + ": tokenizer.ggml.model", "gpt2, llama, bert or t5",
                 vocabulary.model};
  }
  AGLM_TRY(add_tokens(vocabulary, parts));
  Frame frame;
  if (vocabulary.bos) parts.bos = TokenId{*vocabulary.bos};
  if (vocabulary.eos) parts.eos = TokenId{*vocabulary.eos};
  if (vocabulary.model == "bert") {
    frame = bert_frame(vocabulary);
  } else {
    if (vocabulary.add_bos && parts.bos) frame.before.push_back(*parts.bos);
    if (vocabulary.add_eos && parts.eos) frame.after.push_back(*parts.eos);
  }
  parts.frames.push_back(std::move(frame));
  return make_pipeline(std::move(parts));
}

}  // namespace autoglm
