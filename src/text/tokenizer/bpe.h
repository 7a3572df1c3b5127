// Byte-pair encoding: a piece starts as characters, and the pair of neighbours with the lowest rank
// is merged, leftmost first, until no pair has one. Ranks come from a list of merges
// (tokenizer.json, GPT-2 files), from tokens in the order of their ids (tiktoken), or from scores
// (SentencePiece).
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/tokenizer/model.h"
#include "text/tokenizer/pair_table.h"
#include "text/tokenizer/word_cache.h"

namespace autoglm {

struct BpeOptions {
  std::string unknown_token;              // "": characters without token vanish
  std::string continuing_subword_prefix;  // before every character of a piece but the first
  std::string end_of_word_suffix;         // after the last character of a piece
  bool fuse_unknown = false;              // neighbouring unknown characters become one token
  bool byte_fallback = false;  // a character without token becomes the tokens <0x..> of its bytes
  bool ignore_merges = false;  // a piece that is a token is that token
};

using MergeList = std::vector<std::pair<std::string_view, std::string_view>>;

class BpeModel : public TokenModel {
 public:
  // `merges`, best first; each must join two tokens into a third.
  static Result<std::unique_ptr<BpeModel>> from_merges(Vocabulary vocabulary,
                                                       const MergeList& merges, BpeOptions options,
                                                       std::string_view where);
  // A pair has the rank of the token that it joins into: ranks[id], the lower the earlier.
  // Negative: no pair joins into this token.
  static Result<std::unique_ptr<BpeModel>> from_ranks(Vocabulary vocabulary,
                                                      std::span<const int32_t> ranks,
                                                      BpeOptions options, std::string_view where);

  Result<void> encode(std::string_view piece, std::vector<TokenId>& ids,
                      TextWork& work) const override;
  const Vocabulary& vocabulary() const override { return vocabulary_; }

 private:
  BpeModel(Vocabulary vocabulary, BpeOptions options)
      : vocabulary_(std::move(vocabulary)), options_(std::move(options)) {}
  Result<void> prepare(std::string_view where);
  std::optional<int32_t> character_id(std::string_view character, bool first, bool last) const;
  bool can_cut_words() const;
  void encode_word(std::string_view piece, std::vector<TokenId>& ids) const;
  void start(std::string_view piece, std::vector<int32_t>& symbols) const;
  void merge_short(std::vector<int32_t>& symbols) const;
  void merge_long(std::vector<int32_t>& symbols) const;

  // Characters below this have a table of ids: Latin letters, and all of the byte-level alphabet.
  static constexpr char32_t kTabled = 0x180;

  Vocabulary vocabulary_;
  BpeOptions options_;
  PairTable pairs_;
  int32_t unknown_id_ = -1;
  bool has_affixes_ = false;
  bool words_are_separate_ = false;  // no merge reaches over the beginning of a word marked U+2581
  std::array<int32_t, kTabled> tabled_{};
  std::array<int32_t, 256> byte_ids_{};  // of <0x..>, -1 where there is none
  mutable WordCache cache_;              // results only: has no effect that a caller could see
};

}  // namespace autoglm
