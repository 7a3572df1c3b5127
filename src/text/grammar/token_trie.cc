#include "text/grammar/token_trie.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/utf8.h"

namespace autoglm::grammar {
namespace {

// Characters of a plain token; 0 for others.
uint8_t plain_characters(std::string_view bytes) {
  const bool plain = std::all_of(bytes.begin(), bytes.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\';
  });
  if (!plain || !is_valid_utf8(bytes)) return 0;
  return static_cast<uint8_t>(std::min<size_t>(count_characters(bytes), TokenTrie::kAnyLength));
}

}  // namespace

TokenTrie::TokenTrie(const Tokenizer& tokenizer, int32_t n_ids, bool first_in_text,
                     size_t cache_bytes)
    : cache_(cache_bytes) {
  const int32_t n = std::min(tokenizer.vocab_size(), n_ids);
  std::vector<uint8_t> plain(static_cast<size_t>(n), 0);
  std::vector<int32_t> sorted;
  for (int32_t id = 0; id < n; ++id) {
    offsets_.push_back(static_cast<uint32_t>(text_.size()));
    if (tokenizer.is_special(TokenId{id})) continue;
    std::string spelled = tokenizer.token_bytes(TokenId{id});
    if (first_in_text && spelled.starts_with(' ')) spelled.erase(0, 1);
    if (spelled.empty() || spelled.size() > std::numeric_limits<uint16_t>::max()) continue;
    longest_ = std::max(longest_, static_cast<int32_t>(spelled.size()));
    plain[static_cast<size_t>(id)] = plain_characters(spelled);
    sorted.push_back(id);
    text_ += spelled;
  }
  offsets_.push_back(static_cast<uint32_t>(text_.size()));
  std::sort(sorted.begin(), sorted.end(), [&](int32_t a, int32_t b) {
    const int order = bytes(a).compare(bytes(b));
    return order != 0 ? order < 0 : a < b;
  });
  const auto others = std::stable_partition(
      sorted.begin(), sorted.end(), [&](int32_t id) { return plain[static_cast<size_t>(id)] > 0; });
  build({sorted.begin(), others}, plain);
  build({others, sorted.end()}, plain);
  nodes_.push_back({.first_token = static_cast<int32_t>(tokens_.size())});
}

// Sorted tokens come in the order of the walk: each adds the nodes that it does not share with the
// one before it.
void TokenTrie::build(const std::vector<int32_t>& sorted, const std::vector<uint8_t>& plain) {
  const auto root = static_cast<int32_t>(nodes_.size());
  nodes_.push_back({.first_token = static_cast<int32_t>(tokens_.size())});
  std::vector<int32_t> path{root};  // to the node of the last token
  std::string_view before;
  const auto close = [&](size_t depth) {
    while (path.size() > depth + 1) {
      nodes_[static_cast<size_t>(path.back())].end = static_cast<int32_t>(nodes_.size());
      path.pop_back();
    }
  };
  for (const int32_t id : sorted) {
    const std::string_view spelled = bytes(id);
    size_t shared = 0;
    while (shared < before.size() && shared < spelled.size() && before[shared] == spelled[shared]) {
      ++shared;
    }
    close(shared);
    for (size_t i = shared; i < spelled.size(); ++i) {
      path.push_back(static_cast<int32_t>(nodes_.size()));
      nodes_.push_back({.first_token = static_cast<int32_t>(tokens_.size()),
                        .depth = static_cast<uint16_t>(i + 1),
                        .byte = static_cast<uint8_t>(spelled[i])});
    }
    const uint8_t characters = plain[static_cast<size_t>(id)];
    for (const int32_t node : path) {
      Node& above = nodes_[static_cast<size_t>(node)];
      above.plain_characters = std::max(above.plain_characters, characters);
    }
    tokens_.push_back(id);
    before = spelled;
  }
  close(0);
  nodes_[static_cast<size_t>(root)].end = static_cast<int32_t>(nodes_.size());
}

std::array<std::span<const int32_t>, 2> TokenTrie::beginning_with(std::string_view prefix) const {
  return {below(roots()[0], prefix), below(roots()[1], prefix)};
}

std::span<const int32_t> TokenTrie::below(int32_t root, std::string_view prefix) const {
  int32_t at = root;
  for (const char c : prefix) {
    const int32_t end = node(at).end;
    int32_t child = at + 1;
    while (child < end && node(child).byte != static_cast<uint8_t>(c)) child = node(child).end;
    if (child >= end) return {};
    at = child;
  }
  return tokens(at, node(at).end);
}

std::string_view TokenTrie::bytes(int32_t token) const {
  if (token < 0 || token >= n_tokens()) return {};
  const auto i = static_cast<size_t>(token);
  return std::string_view(text_).substr(offsets_[i], offsets_[i + 1] - offsets_[i]);
}

bool TokenTrie::needs_first_trie(const Tokenizer& tokenizer) {
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    const TokenId token{id};
    if (tokenizer.is_special(token)) continue;
    const std::string spelled = tokenizer.token_bytes(token);
    if (spelled.size() < 2 || spelled[0] != ' ' || !is_ascii(spelled)) continue;
    const auto text = tokenizer.decode(std::span(&token, 1), false);
    return text.has_value() && *text == spelled.substr(1);
  }
  return false;
}

}  // namespace autoglm::grammar
