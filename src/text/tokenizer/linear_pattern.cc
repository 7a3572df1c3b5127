// A reader of the plain part of PCRE2's syntax, which gives up on all else.
#include "text/tokenizer/linear_pattern.h"

#include <algorithm>
#include <cctype>
#include <vector>

#include "base/utf8.h"

namespace autoglm {
namespace {

constexpr size_t kUnlimited = ~size_t{0};
constexpr size_t kMaxLooks = 4096;  // more is no promise; real patterns have some 20
constexpr size_t kMaxRepeats = 16;  // of a bounded quantifier: \p{N}{1,3}
constexpr int kMaxNesting = 8;

// One part of a sequence, or all of an alternation.
struct Part {
  size_t most = 1;        // characters, or kUnlimited
  bool can_fail = true;   // where it stands; a repetition from 0 on cannot
  size_t ways = 1;        // to match at one place, kUnlimited ones counted as one
  size_t looks = 1;       // at a character, in all these ways
  bool is_single = true;  // a character or a class
};

class Reader {
 public:
  explicit Reader(std::string_view pattern) : pattern_(pattern) {}

  std::optional<size_t> looks() {
    const std::optional<Part> whole = alternatives(0);
    if (!whole || at_ < pattern_.size() || whole->looks > kMaxLooks) return std::nullopt;
    return whole->looks;
  }

 private:
  bool ahead(std::string_view text) const { return pattern_.substr(at_).starts_with(text); }
  bool take(std::string_view text) {
    if (!ahead(text)) return false;
    at_ += text.size();
    return true;
  }

  std::optional<Part> alternatives(int nesting) {
    if (nesting > kMaxNesting) return std::nullopt;
    std::optional<Part> all = sequence(nesting);
    while (all && take("|")) {
      const std::optional<Part> next = sequence(nesting);
      if (!next) return std::nullopt;
      all->most = std::max(all->most, next->most);
      all->can_fail = all->can_fail && next->can_fail;
      all->ways += next->ways;
      all->looks += next->looks;
      all->is_single = all->is_single && next->is_single;
      if (all->looks > kMaxLooks) return std::nullopt;
    }
    return all;
  }

  std::optional<Part> sequence(int nesting) {
    std::vector<Part> parts;
    while (at_ < pattern_.size() && !ahead("|") && !ahead(")")) {
      const std::optional<Part> part = quantified(nesting);
      if (!part) return std::nullopt;
      parts.push_back(*part);
    }
    return joined(parts);
  }

  static std::optional<Part> joined(const std::vector<Part>& parts) {
    Part all{.most = 0, .can_fail = false, .is_single = parts.size() == 1 && parts[0].is_single};
    bool fallible_behind = false;
    size_t n_given_back = 0;  // repetitions without a limit behind which something can fail
    size_t looks = 1;
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
      if (part->most == kUnlimited && fallible_behind && ++n_given_back > 1) return std::nullopt;
      fallible_behind = fallible_behind || part->can_fail;
      all.can_fail = fallible_behind;
      all.most =
          part->most == kUnlimited || all.most == kUnlimited ? kUnlimited : all.most + part->most;
      all.ways *= part->ways;
      // All that follows is looked at once for each way of this one.
      looks = part->looks + part->ways * looks;
      if (looks > kMaxLooks || all.ways > kMaxLooks) return std::nullopt;
    }
    // For each character given back, what follows looks at its first few.
    all.looks = looks;
    return all;
  }

  std::optional<Part> quantified(int nesting) {
    std::optional<Part> part = atom(nesting);
    if (!part) return std::nullopt;
    size_t least = 1, most = 1;
    if (take("?")) {
      least = 0;
    } else if (take("*")) {
      least = 0;
      most = kUnlimited;
    } else if (take("+")) {
      most = kUnlimited;
    } else if (ahead("{")) {
      if (!bounds(least, most)) return std::nullopt;
    } else {
      return part;
    }
    // Lazy or possessive: the same work, or less.
    if (!take("?")) take("+");
    if (ahead("?") || ahead("*") || ahead("+") || ahead("{")) return std::nullopt;
    const bool once = most == 1;
    if (!once && !part->is_single) return std::nullopt;
    if (most != kUnlimited && most > kMaxRepeats) return std::nullopt;
    part->can_fail = part->can_fail && least > 0;
    part->ways = most == kUnlimited ? 1 : part->ways + (most - least);
    part->looks = most == kUnlimited ? 2 : part->looks * std::max<size_t>(most, 1);
    if (!once) {
      part->most = most;
      part->is_single = false;
    } else if (least == 0) {
      part->is_single = false;
    }
    return part;
  }

  // {2}, {2,}, {2,3}
  bool bounds(size_t& least, size_t& most) {
    ++at_;
    const std::optional<size_t> first = number();
    if (!first) return false;
    least = most = *first;
    if (take(",")) most = number().value_or(kUnlimited);
    return take("}") && least <= kMaxRepeats;
  }

  std::optional<size_t> number() {
    size_t value = 0;
    const size_t begin = at_;
    while (at_ < pattern_.size() && std::isdigit(static_cast<unsigned char>(pattern_[at_])) != 0) {
      value = std::min(value * 10 + static_cast<size_t>(pattern_[at_++] - '0'), size_t{1} << 20);
    }
    return at_ == begin ? std::nullopt : std::optional(value);
  }

  std::optional<Part> atom(int nesting) {
    if (ahead("(")) return group(nesting);
    if (ahead("[")) return character_class();
    if (take("$") || take("\\z")) return Part{.most = 0, .is_single = false};
    if (ahead("\\")) return escape();
    if (at_ >= pattern_.size() ||
        std::string_view(")]}{?*+|^").find(pattern_[at_]) != std::string_view::npos) {
      return std::nullopt;
    }
    at_ = character_end(pattern_, at_ + 1);
    return Part{};
  }

  // \p{L}, \x{20}, \n, \., but no back reference, anchor or other thing with a meaning of its own.
  std::optional<Part> escape() {
    if (at_ + 1 >= pattern_.size()) return std::nullopt;
    const char c = pattern_[at_ + 1];
    at_ += 2;
    if (c == 'p' || c == 'P' || c == 'x') {
      if (!ahead("{")) return std::nullopt;
      const size_t end = pattern_.find('}', at_);
      if (end == std::string_view::npos) return std::nullopt;
      at_ = end + 1;
      return Part{};
    }
    const bool known = std::string_view("sSdDwWnrtf").find(c) != std::string_view::npos;
    if (!known && (std::isalnum(static_cast<unsigned char>(c)) != 0 || (c & 0x80) != 0)) {
      return std::nullopt;
    }
    return Part{};
  }

  std::optional<Part> character_class() {
    size_t i = at_ + 1;
    if (i < pattern_.size() && pattern_[i] == '^') ++i;
    if (i < pattern_.size() && pattern_[i] == ']') ++i;
    while (i < pattern_.size() && pattern_[i] != ']') {
      if (pattern_[i] == '[') return std::nullopt;  // [:alpha:]; what else it is depends
      i += pattern_[i] == '\\' ? 2 : 1;
    }
    if (i >= pattern_.size()) return std::nullopt;
    at_ = i + 1;
    return Part{};
  }

  std::optional<Part> group(int nesting) {
    const bool looks_ahead = take("(?=") || take("(?!");
    if (!looks_ahead && !take("(?:") && !take("(?i:")) return std::nullopt;
    std::optional<Part> inner = alternatives(nesting + 1);
    if (!inner || !take(")")) return std::nullopt;
    // Without a limit inside, a group would hide what it gives back from the sequence around it.
    if (inner->most == kUnlimited) return std::nullopt;
    // Not to be repeated: two alternatives that take the same would be tried in all their orders.
    inner->is_single = false;
    if (looks_ahead) {
      inner->most = 0;
      inner->ways = 1;
      inner->can_fail = true;
    }
    return inner;
  }

  std::string_view pattern_;
  size_t at_ = 0;
};

}  // namespace

std::optional<size_t> looks_at_a_character(std::string_view pcre_pattern) {
  return Reader(pcre_pattern).looks();
}

}  // namespace autoglm
