// The best path by dynamic programming over byte positions, tokens found by walking a trie.
#include "text/tokenizer/unigram.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "base/utf8.h"
#include "text/tokenizer/unicode.h"

namespace autoglm {
namespace {

// Bounds the work at each place of a text.
constexpr size_t kMaxTokenBytes = 4096;
// The reference's penalty for a character without token, below the worst score.
constexpr double kUnknownPenalty = 10.0;

// All tokens by their bytes: nodes with sorted children, built from the sorted list of spellings.
class ByteTrie {
 public:
  struct Node {
    uint32_t first_child = 0;  // index into nodes_; children are neighbours
    uint16_t n_children = 0;
    uint8_t byte = 0;
    int32_t id = -1;
  };

  explicit ByteTrie(const Vocabulary& vocabulary) {
    struct Range {
      size_t node, begin, end, depth;
    };
    std::vector<std::pair<std::string_view, int32_t>> tokens;
    for (int32_t id = 0; id < vocabulary.end_id(); ++id) {
      const std::string_view spelling = vocabulary.spelling(id);
      // Of two ids with one spelling the vocabulary knows the later.
      if (!spelling.empty() && vocabulary.find(spelling) == id) tokens.emplace_back(spelling, id);
    }
    std::sort(tokens.begin(), tokens.end());
    nodes_.emplace_back();
    std::vector<Range> open{{0, 0, tokens.size(), 0}};
    while (!open.empty()) {
      const Range range = open.back();
      open.pop_back();
      size_t begin = range.begin;
      if (begin < range.end && tokens[begin].first.size() == range.depth) {
        nodes_[range.node].id = tokens[begin++].second;
      }
      nodes_[range.node].first_child = static_cast<uint32_t>(nodes_.size());
      while (begin < range.end) {
        const char byte = tokens[begin].first[range.depth];
        size_t end = begin + 1;
        while (end < range.end && tokens[end].first[range.depth] == byte) ++end;
        open.push_back({nodes_.size(), begin, end, range.depth + 1});
        nodes_.push_back({0, 0, static_cast<uint8_t>(byte), -1});
        ++nodes_[range.node].n_children;
        begin = end;
      }
    }
    const Node& root = nodes_[0];
    children_of_root_.fill(nullptr);
    for (uint32_t i = 0; i < root.n_children; ++i) {
      const Node& child = nodes_[root.first_child + i];
      children_of_root_[child.byte] = &child;
    }
  }

  const Node* step(const Node* node, char c) const {
    const auto byte = static_cast<uint8_t>(c);
    if (node == nullptr) return children_of_root_[byte];
    const Node* begin = nodes_.data() + node->first_child;
    const Node* end = begin + node->n_children;
    const Node* child = std::lower_bound(
        begin, end, byte, [](const Node& n, uint8_t wanted) { return n.byte < wanted; });
    return child != end && child->byte == byte ? child : nullptr;
  }

 private:
  std::vector<Node> nodes_;
  std::array<const Node*, 256> children_of_root_{};
};

class UnigramModel : public TokenModel {
 public:
  UnigramModel(Vocabulary vocabulary, std::vector<double> scores, UnigramOptions options,
               std::string_view where)
      : vocabulary_(std::move(vocabulary)),
        scores_(std::move(scores)),
        options_(options),
        where_(where),
        trie_(vocabulary_) {
    double worst = std::numeric_limits<double>::infinity();
    for (const double score : scores_) worst = std::min(worst, score);
    unknown_score_ = worst - kUnknownPenalty;
  }

  const Vocabulary& vocabulary() const override { return vocabulary_; }

  Result<void> encode(std::string_view piece, std::vector<TokenId>& ids,
                      TextWork& work) const override {
    const std::vector<Best> best = AGLM_TRY(best_paths(piece, work));
    // Backwards from the end; neighbouring unknown characters become one.
    std::vector<Span> parts;
    bool fusing = false;
    for (size_t end = piece.size(); end > 0; end = best[end].begin) {
      const Best& node = best[end];
      const bool unknown = node.id == options_.unknown_id;
      if (unknown && fusing) {
        parts.back().begin = node.begin;
      } else {
        parts.push_back({node.begin, end});
      }
      fusing = unknown;
    }
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
      AGLM_TRY(append(part->of(piece), ids));
    }
    return {};
  }

 private:
  struct Best {  // of the paths that end here
    double score = 0;
    size_t begin = kNowhere;
    int32_t id = -1;
  };
  static constexpr size_t kNowhere = std::numeric_limits<size_t>::max();

  Error no_unknown() const {
    return Error{ErrorCode::kInvalidArgument, "text has a character without token", where_,
                 "a vocabulary with unk_id", "none"};
  }

  Result<std::vector<Best>> best_paths(std::string_view piece, TextWork& work) const {
    constexpr size_t kTrieCost = 8, kStepsAtOnce = 4096;
    std::vector<Best> best(piece.size() + 1);
    size_t n_steps = 0;
    for (size_t at = 0; at < piece.size();) {
      const size_t one = std::min(character_at(piece, at).length, piece.size() - at);
      const double so_far = best[at].score;
      bool has_single = false;
      const auto offer = [&](size_t end, double score, int32_t id) {
        Best& target = best[end];
        if (target.begin == kNowhere || score > target.score) target = {score, at, id};
      };
      const ByteTrie::Node* node = nullptr;
      size_t walked_to = at;
      for (size_t end = at; end < piece.size();) {
        node = trie_.step(node, piece[end]);
        if (node == nullptr) break;
        walked_to = ++end;
        if (node->id < 0) continue;
        offer(end, so_far + scores_[static_cast<size_t>(node->id)], node->id);
        has_single = has_single || end == at + one;
      }
      n_steps += walked_to - at;
      if (n_steps > kStepsAtOnce) AGLM_TRY(work.spend(std::exchange(n_steps, 0) * kTrieCost));
      if (!has_single) {
        if (options_.unknown_id < 0) return no_unknown();
        offer(at + one, so_far + unknown_score_, options_.unknown_id);
      }
      at += one;
    }
    AGLM_TRY(work.spend(n_steps * kTrieCost));
    return best;
  }

  Result<void> append(std::string_view part, std::vector<TokenId>& ids) const {
    if (const std::optional<int32_t> id = vocabulary_.find(part)) {
      ids.push_back(TokenId{*id});
      return {};
    }
    if (options_.byte_fallback) {
      const size_t begin = ids.size();
      for (const char c : part) {
        const std::optional<int32_t> id =
            vocabulary_.find(byte_token_spelling(static_cast<uint8_t>(c)));
        if (!id) break;
        ids.push_back(TokenId{*id});
      }
      if (ids.size() - begin == part.size()) return {};
      ids.resize(begin);
    }
    if (options_.unknown_id < 0) return no_unknown();
    ids.push_back(TokenId{options_.unknown_id});
    return {};
  }

  Vocabulary vocabulary_;
  std::vector<double> scores_;
  UnigramOptions options_;
  std::string where_;
  ByteTrie trie_;
  double unknown_score_ = 0;
};

}  // namespace

Result<std::unique_ptr<const TokenModel>> make_unigram(Vocabulary vocabulary,
                                                       std::vector<double> scores,
                                                       UnigramOptions options,
                                                       std::string_view where) {
  for (int32_t id = 0; id < vocabulary.end_id(); ++id) {
    const std::string_view spelling = vocabulary.spelling(id);
    if (spelling.size() > kMaxTokenBytes || !is_valid_utf8(spelling)) {
      return Error{ErrorCode::kCorrupt, "token is not a short text",
                   fmt::format("{}: token {}", where, id),
                   fmt::format("UTF-8 of at most {} bytes", kMaxTokenBytes),
                   fmt::format("{} bytes", spelling.size())};
    }
  }
  return std::unique_ptr<const TokenModel>(
      std::make_unique<UnigramModel>(std::move(vocabulary), std::move(scores), options, where));
}

}  // namespace autoglm
