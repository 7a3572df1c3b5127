// SentencePiece's precompiled character map: a double-array trie (as Darts-clone stores it) from
// sequences of bytes to offsets into a block of replacements. The blob is hostile input: every step
// of the walk is checked against its size.
#include <fmt/format.h>

#include <cstring>
#include <vector>

#include "base/utf8.h"
#include "text/tokenizer/normalizer.h"

namespace autoglm {
namespace {

class Charsmap : public Normalizer {
 public:
  Charsmap(std::vector<uint32_t> units, std::string replacements)
      : units_(std::move(units)), replacements_(std::move(replacements)) {}

 private:
  // The reference's order: a short grapheme cluster as a whole, else character by character.
  Result<std::string> run(std::string text, TextWork& work) const override {
    std::string out;
    out.reserve(text.size());
    for (size_t at = 0; at < text.size();) {
      const Span cluster = grapheme_at(text, at);
      at = cluster.end;
      constexpr size_t kWholeBelow = 6;  // bytes; longer clusters are never looked up whole
      if (cluster.size() < kWholeBelow && replace(cluster.of(text), out)) continue;
      for (size_t i = cluster.begin; i < cluster.end;) {
        const size_t length = character_at(text, i).length;
        const std::string_view character = std::string_view(text).substr(i, length);
        if (!replace(character, out)) out += character;
        i += length;
      }
      AGLM_TRY(work.check_size(out.size()));
    }
    return out;
  }

  // Appends the replacement of the shortest key that `chunk` begins with, as the reference does.
  bool replace(std::string_view chunk, std::string& out) const {
    size_t node = 0;
    if (units_.empty()) return false;
    node ^= offset(units_[0]);
    for (const char c : chunk) {
      const auto byte = static_cast<uint8_t>(c);
      if (byte == 0) return false;
      node ^= byte;
      if (node >= units_.size() || (units_[node] & 0x800000FFu) != byte) return false;
      const uint32_t unit = units_[node];
      node ^= offset(unit);
      if ((unit >> 8 & 1) == 0) continue;
      if (node >= units_.size()) return false;
      const size_t begin = units_[node] & 0x7FFFFFFFu;
      if (begin >= replacements_.size()) return false;
      out += std::string_view(replacements_).substr(begin, replacements_.find('\0', begin) - begin);
      return true;
    }
    return false;
  }

  static size_t offset(uint32_t unit) { return size_t{unit >> 10} << ((unit & (1u << 9)) >> 6); }

  std::vector<uint32_t> units_;
  std::string replacements_;
};

}  // namespace

Result<NormalizerPtr> make_precompiled(std::string charsmap, std::string_view where) {
  const auto wrong = [&](std::string_view expected) {
    return Error{ErrorCode::kCorrupt, "precompiled character map is malformed", std::string(where),
                 std::string(expected), fmt::format("{} bytes", charsmap.size())};
  };
  uint32_t trie_bytes = 0;
  if (charsmap.empty()) return make_sequence({});
  if (charsmap.size() < sizeof(trie_bytes)) return wrong("a size and a trie");
  std::memcpy(&trie_bytes, charsmap.data(), sizeof(trie_bytes));
  if (trie_bytes % 4 != 0 || trie_bytes > charsmap.size() - sizeof(trie_bytes)) {
    return wrong(fmt::format("a trie of {} bytes", trie_bytes));
  }
  std::vector<uint32_t> units(trie_bytes / 4);
  if (trie_bytes > 0) std::memcpy(units.data(), charsmap.data() + sizeof(trie_bytes), trie_bytes);
  std::string replacements = charsmap.substr(sizeof(trie_bytes) + trie_bytes);
  if (!is_valid_utf8(replacements)) return wrong("replacements in UTF-8");
  return NormalizerPtr(std::make_unique<Charsmap>(std::move(units), std::move(replacements)));
}

}  // namespace autoglm
