// Two ways of merging that give the same tokens: short pieces by looking for the best pair again
// and again, long ones with a heap, so that a hostile piece of a megabyte costs n log n.
#include "text/tokenizer/bpe.h"

#include <fmt/format.h>

#include <algorithm>
#include <queue>

#include "base/utf8.h"

namespace autoglm {
namespace {

// Where the heap's cost equals that of the repeated search; measured between 40 and 100 symbols.
constexpr size_t kShortPiece = 48;
constexpr std::string_view kMark = "\xE2\x96\x81";  // U+2581, SentencePiece's space
constexpr std::string_view kHex = "0123456789ABCDEF";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::string byte_token_spelling(uint8_t byte) {
  return {'<', '0', 'x', kHex[byte >> 4], kHex[byte & 15], '>'};
}

std::optional<uint8_t> byte_token_value(std::string_view spelling) {
  if (spelling.size() != 6 || !spelling.starts_with("<0x") || spelling[5] != '>') {
    return std::nullopt;
  }
  const int high = hex_value(spelling[3]), low = hex_value(spelling[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<uint8_t>(high << 4 | low);
}

Result<void> BpeModel::prepare(std::string_view where) {
  if (!options_.unknown_token.empty()) {
    // Absent from the vocabulary, it is an error only when a text needs it.
    unknown_id_ = vocabulary_.find(options_.unknown_token).value_or(-1);
  }
  for (size_t b = 0; b < byte_ids_.size(); ++b) {
    byte_ids_[b] = vocabulary_.find(byte_token_spelling(static_cast<uint8_t>(b))).value_or(-1);
  }
  has_affixes_ =
      !options_.continuing_subword_prefix.empty() || !options_.end_of_word_suffix.empty();
  // Bounds the work for one character.
  constexpr size_t kMaxAffix = 64;
  if (options_.continuing_subword_prefix.size() > kMaxAffix ||
      options_.end_of_word_suffix.size() > kMaxAffix) {
    return Error{ErrorCode::kInvalidArgument,
                 "subword prefix or suffix is too long",
                 std::string(where),
                 fmt::format("at most {} bytes", kMaxAffix),
                 {}};
  }
  for (char32_t c = 0; c < kTabled; ++c) {
    std::string character;
    append_utf8(character, c);
    tabled_[c] = vocabulary_.find(character).value_or(-1);
  }
  return {};
}

Result<std::unique_ptr<BpeModel>> BpeModel::from_merges(Vocabulary vocabulary,
                                                        const MergeList& merges, BpeOptions options,
                                                        std::string_view where) {
  std::unique_ptr<BpeModel> model(new BpeModel(std::move(vocabulary), std::move(options)));
  AGLM_TRY(model->prepare(where));
  model->pairs_ = PairTable(merges.size());
  std::string joined;
  bool crosses_words = false;
  for (size_t i = 0; i < merges.size(); ++i) {
    const auto [left, right] = merges[i];
    std::string_view tail = right;
    const std::string_view prefix = model->options_.continuing_subword_prefix;
    if (!prefix.empty() && tail.starts_with(prefix)) tail.remove_prefix(prefix.size());
    joined.assign(left).append(tail);
    const std::optional<int32_t> left_id = model->vocabulary_.find(left);
    const std::optional<int32_t> right_id = model->vocabulary_.find(right);
    const std::optional<int32_t> id = model->vocabulary_.find(joined);
    if (!left_id || !right_id || !id) {
      return Error{ErrorCode::kCorrupt, "merge uses a token that is not in the vocabulary",
                   fmt::format("{}: merges[{}]", where, i), "two tokens that join into a third",
                   fmt::format("\"{}\" \"{}\"", left.substr(0, 60), right.substr(0, 60))};
    }
    model->pairs_.set(*left_id, *right_id, {static_cast<int32_t>(i), *id});
    if (!left.ends_with(kMark) && right.starts_with(kMark)) crosses_words = true;
  }
  model->words_are_separate_ = !crosses_words && model->can_cut_words();
  return model;
}

Result<std::unique_ptr<BpeModel>> BpeModel::from_ranks(Vocabulary vocabulary,
                                                       std::span<const int32_t> ranks,
                                                       BpeOptions options, std::string_view where) {
  std::unique_ptr<BpeModel> model(new BpeModel(std::move(vocabulary), std::move(options)));
  AGLM_TRY(model->prepare(where));
  const Vocabulary& tokens = model->vocabulary_;
  struct Found {
    int32_t left, right;
    Merge merge;
  };
  std::vector<Found> found;
  // Bounds the work for one token; real ones have at most 128 characters or so.
  constexpr size_t kMaxTokenBytes = 2048;
  for (size_t id = 0; id < ranks.size(); ++id) {
    const std::string_view spelling = tokens.spelling(static_cast<int64_t>(id));
    if (ranks[id] < 0 || spelling.size() > kMaxTokenBytes) continue;
    for (size_t at = 0; at < spelling.size();) {
      at += character_at(spelling, at).length;
      if (at >= spelling.size()) break;
      const std::optional<int32_t> left = tokens.find(spelling.substr(0, at));
      if (!left) continue;
      const std::optional<int32_t> right = tokens.find(spelling.substr(at));
      if (right) found.push_back({*left, *right, {ranks[id], static_cast<int32_t>(id)}});
    }
  }
  model->pairs_ = PairTable(found.size());
  bool crosses_words = false;
  for (const Found& pair : found) {
    model->pairs_.set(pair.left, pair.right, pair.merge);
    if (!tokens.spelling(pair.left).ends_with(kMark) &&
        tokens.spelling(pair.right).starts_with(kMark)) {
      crosses_words = true;
    }
  }
  model->words_are_separate_ = !crosses_words && model->can_cut_words();
  return model;
}

std::optional<int32_t> BpeModel::character_id(std::string_view character, bool first,
                                              bool last) const {
  if (!has_affixes_) {
    const char32_t code = character_at(character, 0).code;
    const int32_t id = code < kTabled ? tabled_[code] : vocabulary_.find(character).value_or(-1);
    return id < 0 ? std::nullopt : std::optional(id);
  }
  std::string spelling;
  if (!first) spelling += options_.continuing_subword_prefix;
  spelling += character;
  if (last) spelling += options_.end_of_word_suffix;
  return vocabulary_.find(spelling);
}

// The reference's order of unknown tokens is kept: a pending unknown is written when the next known
// character is met, after any byte tokens in between.
void BpeModel::start(std::string_view piece, std::vector<int32_t>& symbols) const {
  bool pending_unknown = false;
  for (size_t at = 0; at < piece.size();) {
    const size_t length = std::min(character_at(piece, at).length, piece.size() - at);
    const std::string_view character = piece.substr(at, length);
    const bool first = at == 0, last = at + length >= piece.size();
    at += length;
    if (const std::optional<int32_t> id = character_id(character, first, last)) {
      if (pending_unknown) symbols.push_back(unknown_id_);
      pending_unknown = false;
      symbols.push_back(*id);
      continue;
    }
    if (options_.byte_fallback) {
      std::string bytes;
      if (!first) bytes += options_.continuing_subword_prefix;
      bytes += character;
      if (last) bytes += options_.end_of_word_suffix;
      const auto id_of = [&](char c) { return byte_ids_[static_cast<uint8_t>(c)]; };
      if (std::all_of(bytes.begin(), bytes.end(), [&](char c) { return id_of(c) >= 0; })) {
        for (const char c : bytes) symbols.push_back(id_of(c));
        continue;
      }
    }
    if (unknown_id_ < 0) continue;
    if (pending_unknown && !options_.fuse_unknown) symbols.push_back(unknown_id_);
    pending_unknown = true;
  }
  if (pending_unknown) symbols.push_back(unknown_id_);
}

void BpeModel::merge_short(std::vector<int32_t>& symbols) const {
  std::array<Merge, kShortPiece> merges;  // merges[i]: of symbols i and i + 1
  size_t n = symbols.size();
  for (size_t i = 0; i + 1 < n; ++i) merges[i] = pairs_.find(symbols[i], symbols[i + 1]);
  while (n > 1) {
    size_t best = n;
    for (size_t i = 0; i + 1 < n; ++i) {
      if (merges[i].rank >= 0 && (best == n || merges[i].rank < merges[best].rank)) best = i;
    }
    if (best == n) break;
    symbols[best] = merges[best].id;
    std::copy(symbols.begin() + best + 2, symbols.begin() + n, symbols.begin() + best + 1);
    --n;
    if (best + 1 < n) {
      std::copy(merges.begin() + best + 2, merges.begin() + n, merges.begin() + best + 1);
      merges[best] = pairs_.find(symbols[best], symbols[best + 1]);
    }
    if (best > 0) merges[best - 1] = pairs_.find(symbols[best - 1], symbols[best]);
  }
  symbols.resize(n);
}

void BpeModel::merge_long(std::vector<int32_t>& symbols) const {
  struct Candidate {
    Merge merge;
    int32_t at;
    bool operator<(const Candidate& other) const {  // the top of the heap is the greatest
      return merge.rank != other.merge.rank ? merge.rank > other.merge.rank : at > other.at;
    }
  };
  const auto n = static_cast<int32_t>(symbols.size());
  std::vector<int32_t> next(symbols.size()), previous(symbols.size());
  std::vector<Candidate> first;
  for (int32_t i = 0; i < n; ++i) {
    next[i] = i + 1 < n ? i + 1 : -1;
    previous[i] = i - 1;
    if (i + 1 == n) break;
    const Merge merge = pairs_.find(symbols[i], symbols[i + 1]);
    if (merge.rank >= 0) first.push_back({merge, i});
  }
  std::priority_queue<Candidate> queue({}, std::move(first));
  const auto consider = [&](int32_t left) {
    const Merge merge = pairs_.find(symbols[left], symbols[next[left]]);
    if (merge.rank >= 0) queue.push({merge, left});
  };
  while (!queue.empty()) {
    const Candidate top = queue.top();
    queue.pop();
    const int32_t left = top.at;
    if (symbols[left] < 0 || next[left] < 0) continue;  // swallowed meanwhile
    const int32_t right = next[left];
    if (pairs_.find(symbols[left], symbols[right]).id != top.merge.id) continue;  // has changed
    symbols[left] = top.merge.id;
    symbols[right] = -1;
    next[left] = next[right];
    if (next[right] >= 0) previous[next[right]] = left;
    if (previous[left] >= 0) consider(previous[left]);
    if (next[left] >= 0) consider(left);
  }
  std::erase(symbols, -1);
}

Result<void> BpeModel::encode(std::string_view piece, std::vector<TokenId>& ids,
                              TextWork& work) const {
  const size_t affixes =
      options_.continuing_subword_prefix.size() + options_.end_of_word_suffix.size();
  AGLM_TRY(work.spend(piece.size() * (TextWork::kPassCost + affixes)));
  if (options_.ignore_merges) {
    if (const std::optional<int32_t> id = vocabulary_.find(piece)) {
      ids.push_back(TokenId{*id});
      return {};
    }
  }
  // A whole text can come as one piece: its words are then encoded one by one, to the same ids.
  for (size_t begin = 0; begin < piece.size();) {
    size_t end = words_are_separate_ ? piece.find(kMark, begin + 1) : std::string_view::npos;
    while (end != std::string_view::npos && piece.substr(0, end).ends_with(kMark)) {
      end = piece.find(kMark, end + 1);
    }
    end = std::min(end, piece.size());
    encode_word(piece.substr(begin, end - begin), ids);
    begin = end;
  }
  return {};
}

// The mark must be a token: then an unknown character before it is written before it in any case.
bool BpeModel::can_cut_words() const {
  return !has_affixes_ && vocabulary_.find(kMark).has_value();
}

void BpeModel::encode_word(std::string_view piece, std::vector<TokenId>& ids) const {
  if (cache_.find(piece, ids)) return;
  std::vector<int32_t> symbols;
  symbols.reserve(piece.size());
  start(piece, symbols);
  if (symbols.size() <= kShortPiece) {
    merge_short(symbols);
  } else {
    merge_long(symbols);
  }
  const size_t begin = ids.size();
  for (const int32_t symbol : symbols) ids.push_back(TokenId{symbol});
  cache_.remember(piece, ids.data() + begin, ids.size() - begin);
}

}  // namespace autoglm
