// The translation walks the pattern once, copying what both dialects share.
#include "text/tokenizer/oniguruma.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

#include "base/utf8.h"
#include "text/tokenizer/unicode_additions.h"

namespace autoglm {
namespace {

// White_Space, without U+180E, which PCRE2 still counts.
constexpr std::string_view kSpace =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::string_view kNotSpace =
    R"(\x{0}-\x{8}\x{e}-\x{1f}\x{21}-\x{84}\x{86}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff})";
constexpr std::string_view kHexDigits = "0-9a-fA-F";
constexpr std::string_view kAnyCharacter = R"([\x{0}-\x{10ffff}])";
constexpr int kMaxNesting = 64;

// Letters, marks, decimal digits, connectors, letter numbers, and the symbols with
// Other_Alphabetic.
std::string word_items() {
  return R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{24b6}-\x{24e9}\x{1f130}-\x{1f149}\x{1f150}-\x{1f169}\x{1f170}-\x{1f189})" +
         std::string(unicode_additions("L")) + std::string(unicode_additions("M")) +
         std::string(unicode_additions("Nd"));
}

// The superscripts and fractions of Latin-1: \w takes them, and so does \W inside a class.
constexpr std::string_view kLatinNumbers = R"(\x{b2}\x{b3}\x{b9}\x{bc}-\x{be})";

// A script's name alone means its extensions to PCRE2 (punctuation shared by Han, Hiragana, ...),
// but only the script itself to Oniguruma.
bool is_script(std::string_view name) {
  constexpr std::array<std::string_view, 20> kScripts = {
      "Han",     "Hiragana", "Katakana", "Hangul",     "Latin",    "Greek",   "Cyrillic",
      "Arabic",  "Hebrew",   "Thai",     "Lao",        "Khmer",    "Tibetan", "Myanmar",
      "Bengali", "Tamil",    "Telugu",   "Devanagari", "Gujarati", "Armenian"};
  return std::find(kScripts.begin(), kScripts.end(), name) != kScripts.end();
}

class Translator {
 public:
  Translator(std::string_view pattern, std::string_view where)
      : pattern_(pattern),
        where_(where),
        plain_word_(word_items()),
        word_(plain_word_ + std::string(kLatinNumbers)) {}

  Result<std::string> run() {
    while (at_ < pattern_.size()) AGLM_TRY(step());
    return std::move(out_);
  }

 private:
  bool ahead(std::string_view s) const { return pattern_.substr(at_).starts_with(s); }
  char peek(size_t k = 0) const { return at_ + k < pattern_.size() ? pattern_[at_ + k] : '\0'; }

  Error unsupported(std::string_view what) const {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("regular expression has {}", what),
                 std::string(where_),
                 {},
                 std::string(pattern_.substr(0, 200))};
  }

  void atom(std::string_view text) {
    atom_ = out_.size();
    out_ += text;
  }

  Result<void> step() {
    const char c = peek();
    switch (c) {
      case '\\': return escape();
      case '[': {
        const std::string set = AGLM_TRY(character_class(0));
        atom(set);
        return {};
      }
      case '(': open_group(); return {};
      case ')':
        atom_ = groups_.empty() ? out_.size() : groups_.back();
        if (!groups_.empty()) groups_.pop_back();
        out_ += c;
        ++at_;
        return {};
      case '{': repeat(); return {};
      case '|':
      case '*':
      case '+':
      case '?':
      case '^':
      case '$':
        out_ += c;
        ++at_;
        return {};
      default: break;
    }
    size_t length = 1;
    while (is_continuation(peek(length))) ++length;
    atom(pattern_.substr(at_, length));
    at_ += length;
    return {};
  }

  void open_group() {
    groups_.push_back(out_.size());
    out_ += '(';
    ++at_;
    if (peek() != '?') return;
    // (?imx-imx) and (?imx-imx: : Ruby's m is everyone else's s.
    size_t k = 1;
    while (peek(k) == 'i' || peek(k) == 'm' || peek(k) == 'x' || peek(k) == '-') ++k;
    if (k == 1 || (peek(k) != ':' && peek(k) != ')')) return;
    for (size_t i = 0; i < k; ++i) out_ += peek(i) == 'm' ? 's' : peek(i);
    at_ += k;
  }

  // {n}, {n,}, {n,m}, {,m}; anything else is literal in both dialects.
  void repeat() {
    size_t k = 1;
    while (std::isdigit(static_cast<unsigned char>(peek(k)))) ++k;
    const bool has_low = k > 1;
    bool has_high = false;
    if (peek(k) == ',') {
      ++k;
      const size_t digits = k;
      while (std::isdigit(static_cast<unsigned char>(peek(k)))) ++k;
      has_high = k > digits;
    }
    if (peek(k) != '}' || (!has_low && !has_high)) {
      atom("\\{");
      ++at_;
      return;
    }
    std::string bounds(pattern_.substr(at_, k + 1));
    if (!has_low) bounds.insert(1, "0");
    at_ += k + 1;
    if (peek() == '+') {
      out_.insert(atom_, "(?:");
      out_ += bounds + ")+";
      ++at_;
    } else {
      out_ += bounds;
    }
  }

  // \p{Name}, \P{Name}, \p{^Name} at at_; appends the items of the positive set and says whether it
  // is negated.
  Result<bool> property(std::string& items) {
    bool negated = peek(1) == 'P';
    const size_t open = at_ + 2;
    const size_t close = pattern_.find('}', open);
    if (close == std::string_view::npos) return unsupported("a property without its end");
    std::string_view name = pattern_.substr(open + 1, close - open - 1);
    if (name.starts_with('^')) {
      negated = !negated;
      name.remove_prefix(1);
    }
    if (name == "Word") {
      items += word_;
      at_ = close + 1;
      return negated;
    }
    items += fmt::format("\\p{{{}{}}}", is_script(name) ? "sc:" : "", name) +
             std::string(unicode_additions(name));
    at_ = close + 1;
    return negated;
  }

  Result<void> escape() {
    const char c = peek(1);
    if ((c == 'p' || c == 'P') && peek(2) == '{') {
      std::string items;
      const bool negated = AGLM_TRY(property(items));
      atom(fmt::format("[{}{}]", negated ? "^" : "", items));
      return {};
    }
    size_t length = 2;
    switch (c) {
      case '\0': return unsupported("a backslash at its end");
      case 's': atom(fmt::format("[{}]", kSpace)); break;
      case 'S': atom(fmt::format("[^{}]", kSpace)); break;
      case 'w': atom(fmt::format("[{}]", word_)); break;
      case 'W': atom(fmt::format("[^{}]", word_)); break;
      case 'd': atom(fmt::format("[\\p{{Nd}}{}]", unicode_additions("Nd"))); break;
      case 'D': atom(fmt::format("[^\\p{{Nd}}{}]", unicode_additions("Nd"))); break;
      case 'h': atom(fmt::format("[{}]", kHexDigits)); break;
      case 'H': atom(fmt::format("[^{}]", kHexDigits)); break;
      case 'v': atom("\\x{b}"); break;
      case 'b': atom(fmt::format("(?:(?<=[{0}])(?![{0}])|(?<![{0}])(?=[{0}]))", word_)); break;
      case 'B': atom(fmt::format("(?:(?<=[{0}])(?=[{0}])|(?<![{0}])(?![{0}]))", word_)); break;
      case 'u':
        atom(fmt::format("\\x{{{}}}", pattern_.substr(at_ + 2, 4)));
        length = 6;
        break;
      default:
        while (is_continuation(peek(length))) ++length;
        if (c == 'x' && peek(2) == '{') {
          const size_t close = pattern_.find('}', at_);
          if (close == std::string_view::npos) return unsupported("\\x{ without its end");
          length = close + 1 - at_;
        }
        atom(pattern_.substr(at_, length));
    }
    at_ = std::min(at_ + length, pattern_.size());
    return {};
  }

  // A class as an expression that matches one character: usually [items]; with nested classes that
  // cannot be flattened, alternatives; with &&, look-aheads.
  Result<std::string> character_class(int nesting) {
    if (nesting > kMaxNesting) return unsupported("classes nested too deeply");
    ++at_;  // [
    const bool negated = peek() == '^';
    if (negated) ++at_;
    std::string intersected;          // look-aheads for the operands before the last &&
    std::string items;                // what a plain class can hold
    std::vector<std::string> others;  // single-character expressions that it cannot
    bool first = true;
    for (;; first = false) {
      if (at_ >= pattern_.size()) return unsupported("a class without its end");
      if (peek() == ']' && !first) break;
      if (ahead("&&")) {
        at_ += 2;
        intersected += fmt::format("(?={})", one_of(items, others, false));
        items.clear();
        others.clear();
        continue;
      }
      AGLM_TRY(class_item(items, others, nesting));
    }
    ++at_;  // ]
    if (intersected.empty()) return one_of(items, others, negated);
    const std::string all = intersected + one_of(items, others, false);
    return negated ? fmt::format("(?:(?!{}){})", all, kAnyCharacter) : fmt::format("(?:{})", all);
  }

  static std::string one_of(const std::string& items, const std::vector<std::string>& others,
                            bool negated) {
    if (others.empty()) {
      if (items.empty()) return negated ? std::string(kAnyCharacter) : "(?!)";
      return fmt::format("[{}{}]", negated ? "^" : "", items);
    }
    std::string alternatives = items.empty() ? "" : fmt::format("[{}]|", items);
    for (const std::string& other : others) alternatives += other + "|";
    alternatives.pop_back();
    return negated ? fmt::format("(?:(?!{}){})", alternatives, kAnyCharacter)
                   : fmt::format("(?:{})", alternatives);
  }

  Result<void> class_item(std::string& items, std::vector<std::string>& others, int nesting) {
    bool is_set = true;  // a following '-' is then itself, not a range
    if (ahead("[:")) {
      AGLM_TRY(posix_class(items, others));
    } else if (peek() == '[') {
      std::string nested = AGLM_TRY(character_class(nesting + 1));
      if (nested.starts_with('[') && nested[1] != '^') {
        items += nested.substr(1, nested.size() - 2);
      } else {
        others.push_back(std::move(nested));
      }
    } else if (peek() == '\\') {
      is_set = AGLM_TRY(class_escape(items, others));
    } else {
      // A ']' in first place and a stray '[' are literal.
      if (peek() == ']') items += '\\';
      do {
        items += peek();
        ++at_;
      } while (is_continuation(peek()));
      is_set = false;
    }
    if (is_set && peek() == '-' && peek(1) != ']') {
      items += "\\-";
      ++at_;
    }
    return {};
  }

  // Returns whether the escape stands for a set of characters.
  Result<bool> class_escape(std::string& items, std::vector<std::string>& others) {
    const char c = peek(1);
    if ((c == 'p' || c == 'P') && peek(2) == '{') {
      std::string set;
      const bool negated = AGLM_TRY(property(set));
      if (negated) {
        others.push_back(fmt::format("[^{}]", set));
      } else {
        items += set;
      }
      return true;
    }
    size_t length = 2;
    bool is_set = true;
    switch (c) {
      case '\0': return unsupported("a backslash at its end");
      case 's': items += kSpace; break;
      case 'S': items += kNotSpace; break;
      case 'w': items += word_; break;
      case 'W': others.push_back(fmt::format("[^{}]", plain_word_)); break;
      case 'd': items += "\\p{Nd}" + std::string(unicode_additions("Nd")); break;
      case 'D': others.push_back(fmt::format("[^\\p{{Nd}}{}]", unicode_additions("Nd"))); break;
      case 'h': items += kHexDigits; break;
      case 'H': others.push_back(fmt::format("[^{}]", kHexDigits)); break;
      default:
        is_set = false;
        if (c == 'v') {
          items += "\\x{b}";
        } else if (c == 'u') {
          items += fmt::format("\\x{{{}}}", pattern_.substr(at_ + 2, 4));
          length = 6;
        } else {
          if (c == 'x' && peek(2) == '{') {
            const size_t close = pattern_.find('}', at_);
            if (close == std::string_view::npos) return unsupported("\\x{ without its end");
            length = close + 1 - at_;
          }
          while (is_continuation(peek(length))) ++length;
          items += pattern_.substr(at_, length);
        }
    }
    at_ = std::min(at_ + length, pattern_.size());
    return is_set;
  }

  Result<void> posix_class(std::string& items, std::vector<std::string>& others) {
    const size_t close = pattern_.find(":]", at_);
    if (close == std::string_view::npos) return unsupported("a POSIX class without its end");
    std::string_view name = pattern_.substr(at_ + 2, close - at_ - 2);
    const bool negated = name.starts_with('^');
    if (negated) name.remove_prefix(1);
    std::string set;
    if (name == "punct") {
      set = R"(\p{P}\p{S})" + std::string(unicode_additions("P")) +
            std::string(unicode_additions("S"));
    } else if (name == "space") {
      set = kSpace;
    } else if (name == "word") {
      set = word_;
    } else if (name == "digit") {
      set = "\\p{Nd}" + std::string(unicode_additions("Nd"));
    } else if (name == "alpha") {
      set = R"(\p{Alphabetic})";
    } else if (name == "alnum") {
      set = R"(\p{Alphabetic}\p{Nd})";
    } else if (name == "upper") {
      set = R"(\p{Uppercase})";
    } else if (name == "lower") {
      set = R"(\p{Lowercase})";
    } else {
      set = fmt::format("[:{}:]", name);
    }
    if (negated) {
      others.push_back(fmt::format("[^{}]", set));
    } else {
      items += set;
    }
    at_ = close + 2;
    return {};
  }

  std::string_view pattern_;
  std::string_view where_;
  std::string plain_word_;
  std::string word_;
  std::string out_;
  size_t at_ = 0;
  size_t atom_ = 0;             // where the last atom begins in out_
  std::vector<size_t> groups_;  // where the open groups begin in out_
};

}  // namespace

Result<std::string> oniguruma_to_pcre(std::string_view pattern, std::string_view where) {
  return Translator(pattern, where).run();
}

}  // namespace autoglm
