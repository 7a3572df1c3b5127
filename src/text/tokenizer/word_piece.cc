// Both models look spellings up and nothing else.
#include "text/tokenizer/word_piece.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"

namespace autoglm {
namespace {

// Longest first is quadratic in a piece's length, so the limit on it has one too.
constexpr size_t kMaxCharacters = 1000;

class WordModel : public TokenModel {
 public:
  WordModel(Vocabulary vocabulary, std::string unknown_token, std::string_view where)
      : vocabulary_(std::move(vocabulary)),
        unknown_token_(std::move(unknown_token)),
        where_(where) {}
  const Vocabulary& vocabulary() const override { return vocabulary_; }

 protected:
  Result<void> append_unknown(std::vector<TokenId>& ids) const {
    const std::optional<int32_t> id = vocabulary_.find(unknown_token_);
    if (!id) {
      return Error{ErrorCode::kInvalidArgument, "text has a word without token", where_,
                   fmt::format("\"{}\" in the vocabulary", unknown_token_), "none"};
    }
    ids.push_back(TokenId{*id});
    return {};
  }

  Vocabulary vocabulary_;
  std::string unknown_token_;
  std::string where_;
};

class WordLevel : public WordModel {
 public:
  using WordModel::WordModel;
  Result<void> encode(std::string_view piece, std::vector<TokenId>& ids,
                      TextWork& /*work*/) const override {
    const std::optional<int32_t> id = vocabulary_.find(piece);
    if (!id) return append_unknown(ids);
    ids.push_back(TokenId{*id});
    return {};
  }
};

class WordPiece : public WordModel {
 public:
  WordPiece(Vocabulary vocabulary, const WordPieceOptions& options, std::string_view where)
      : WordModel(std::move(vocabulary), options.unknown_token, where),
        prefix_(options.continuing_subword_prefix),
        max_characters_(std::min(options.max_characters, kMaxCharacters)) {
    for (int32_t id = 0; id < vocabulary_.end_id(); ++id) {
      longest_ = std::max(longest_, vocabulary_.spelling(id).size());
    }
  }

  Result<void> encode(std::string_view piece, std::vector<TokenId>& ids,
                      TextWork& work) const override {
    if (count_characters(piece) > max_characters_) return append_unknown(ids);
    const size_t first = ids.size();
    std::string candidate;
    for (size_t at = 0; at < piece.size();) {
      size_t end = std::min(piece.size(), at + longest_);
      if (end < piece.size()) end = character_begin(piece, end);
      std::optional<int32_t> id;
      for (; end > at; end = character_begin(piece, end - 1)) {
        AGLM_TRY(work.spend(TextWork::kPassCost + end - at + prefix_.size()));
        candidate.assign(at > 0 ? prefix_ : std::string()).append(piece.substr(at, end - at));
        id = vocabulary_.find(candidate);
        if (id) break;
      }
      if (!id) {
        ids.resize(first);
        return append_unknown(ids);
      }
      ids.push_back(TokenId{*id});
      at = end;
    }
    return {};
  }

 private:
  std::string prefix_;
  size_t max_characters_;
  size_t longest_ = 0;  // bytes of the longest token
};

}  // namespace

Result<std::unique_ptr<const TokenModel>> make_word_piece(Vocabulary vocabulary,
                                                          WordPieceOptions options,
                                                          std::string_view where) {
  return std::unique_ptr<const TokenModel>(
      std::make_unique<WordPiece>(std::move(vocabulary), std::move(options), where));
}

Result<std::unique_ptr<const TokenModel>> make_word_level(Vocabulary vocabulary,
                                                          std::string unknown_token,
                                                          std::string_view where) {
  return std::unique_ptr<const TokenModel>(
      std::make_unique<WordLevel>(std::move(vocabulary), std::move(unknown_token), where));
}

}  // namespace autoglm
