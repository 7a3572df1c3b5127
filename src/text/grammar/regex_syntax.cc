// A recursive descent over the expression. Anchors are kept apart from the tree until the end:
// they are only offered where they can hold, at the beginning or end of an alternative, and there
// they say whether other text may stand before or after it.
#include "text/grammar/regex_syntax.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/utf8.h"
#include "text/grammar/work.h"

namespace autoglm::grammar {
namespace {

// An alternative, and where it must stand.
struct Branch {
  ExpressionPtr body;
  bool from_begin = false;
  bool to_end = false;
};

// Alternatives with anchors in groups are multiplied out: so many at most.
constexpr size_t kMaxBranches = 64;

CodePointSet ignoring_case(const CodePointSet& set) {
  CodePointSet result = set;
  for (char32_t c = 'a'; c <= 'z'; ++c) {
    const char32_t upper = c - 'a' + 'A';
    if (set.contains(c)) result.add(upper, upper);
    if (set.contains(upper)) result.add(c, c);
  }
  return result;
}

// Steps (work.h): of character classes alone; what is built of the expression is paid for there.
constexpr int64_t kMostWorkOfClasses = 100'000'000;

class Parser {
 public:
  Parser(Reader reader, RegexOptions options) : reader_(reader), options_(options) {}

  Result<ExpressionPtr> whole() {
    const std::vector<Branch> branches = AGLM_TRY(alternatives());
    if (!reader_.at_end()) return reader_.error("a parenthesis that nothing opens");
    const ExpressionPtr anything = repeat(one_of(CodePointSet::all()), 0, Expression::kUnbounded);
    std::vector<ExpressionPtr> parts;
    for (const Branch& branch : branches) {
      std::vector<ExpressionPtr> text;
      if (options_.anywhere && !branch.from_begin) text.push_back(anything);
      text.push_back(branch.body);
      if (options_.anywhere && !branch.to_end) text.push_back(anything);
      parts.push_back(sequence(std::move(text)));
    }
    return choice(std::move(parts));
  }

 private:
  Result<std::vector<Branch>> alternatives() {
    if (++depth_ > kMaxNesting) {
      return reader_.error("groups are nested too deeply", fmt::format("at most {}", kMaxNesting));
    }
    std::vector<Branch> branches;
    do {
      for (Branch& branch : AGLM_TRY(one_alternative())) branches.push_back(std::move(branch));
    } while (reader_.skip("|"));
    --depth_;
    return branches;
  }

  // What has been read of an alternative so far, in variants that differ in their anchors.
  Result<std::vector<Branch>> one_alternative() {
    std::vector<Branch> variants{{.body = text_of("")}};
    bool empty = true;  // nothing was read: '^' may come
    std::vector<std::vector<ExpressionPtr>> parts(1);
    while (!reader_.at_end() && reader_.peek() != '|' && reader_.peek() != ')') {
      if (reader_.skip("^") || reader_.skip("\\A")) {
        if (!empty) return reader_.unsupported("'^' after the beginning");
        for (Branch& variant : variants) variant.from_begin = true;
        continue;
      }
      if (reader_.skip("$") || reader_.skip("\\Z") || reader_.skip("\\z")) {
        for (Branch& variant : variants) variant.to_end = true;
        continue;
      }
      const std::vector<Branch> next = AGLM_TRY(quantified());
      if (next.empty()) continue;  // "(?:)" and flags
      for (const Branch& variant : variants) {
        if (variant.to_end) return reader_.unsupported("'$' before the end");
      }
      if (next.size() == 1 && !next[0].from_begin) {  // nearly always: nothing need be copied
        for (size_t i = 0; i < variants.size(); ++i) {
          variants[i].to_end = next[0].to_end;
          parts[i].push_back(next[0].body);
        }
        empty = false;
        continue;
      }
      std::vector<Branch> joined;
      std::vector<std::vector<ExpressionPtr>> joined_parts;
      for (size_t i = 0; i < variants.size(); ++i) {
        for (const Branch& part : next) {
          if (part.from_begin && !empty) return reader_.unsupported("'^' after the beginning");
          joined.push_back(
              {.from_begin = variants[i].from_begin || part.from_begin, .to_end = part.to_end});
          joined_parts.push_back(parts[i]);
          joined_parts.back().push_back(part.body);
          if (joined.size() > kMaxBranches) return reader_.unsupported("too many anchored groups");
        }
      }
      variants = std::move(joined);
      parts = std::move(joined_parts);
      empty = false;
    }
    for (size_t i = 0; i < variants.size(); ++i) variants[i].body = sequence(std::move(parts[i]));
    return variants;
  }

  // One branch, or those of a group with anchors.
  Result<std::vector<Branch>> quantified() {
    std::vector<Branch> atom = AGLM_TRY(this->atom());
    for (int n = 0;; ++n) {
      if (n > kMaxNesting) return reader_.error("too many repetitions of repetitions");
      int32_t least = 0, most = Expression::kUnbounded;
      const size_t begin = reader_.position();
      if (reader_.skip("*")) {
      } else if (reader_.skip("+")) {
        least = 1;
      } else if (reader_.skip("?")) {
        most = 1;
      } else if (reader_.peek() == '{') {
        if (!AGLM_TRY(counts(least, most))) return atom;  // a brace that is none
      } else {
        return atom;
      }
      if (atom.size() != 1 || atom[0].from_begin || atom[0].to_end) {
        return reader_.unsupported("a repeated group with anchors");
      }
      if (reader_.peek() == '+' && reader_.position() != begin) {
        return reader_.unsupported("a possessive quantifier");
      }
      reader_.skip("?");  // lazy: the same texts
      atom[0].body = repeat(std::move(atom[0].body), least, most);
    }
  }

  // "{2}", "{2,}", "{2,3}", "{,3}". False, and nothing taken, when it is not that.
  Result<bool> counts(int32_t& least, int32_t& most) {
    const size_t begin = reader_.position();
    const auto digit = [&] { return reader_.peek() >= '0' && reader_.peek() <= '9'; };
    reader_.skip("{");
    const bool has_least = digit();
    if (has_least) least = AGLM_TRY(reader_.number());
    most = least;
    bool has_most = has_least;
    if (reader_.skip(",")) {
      most = Expression::kUnbounded;
      if (digit()) {
        most = AGLM_TRY(reader_.number());
        has_most = true;
      }
    }
    if (!reader_.skip("}") || (!has_least && !has_most)) {
      reader_.go_to(begin);
      least = 0;
      most = Expression::kUnbounded;
      return false;
    }
    if (most != Expression::kUnbounded && most < least) {
      return reader_.error("a repetition whose bounds are reversed");
    }
    return true;
  }

  static std::vector<Branch> one(ExpressionPtr e) { return {{.body = std::move(e)}}; }

  std::vector<Branch> characters(CodePointSet set) const {
    return one(one_of(options_.ignore_case ? ignoring_case(set) : std::move(set)));
  }

  Result<std::vector<Branch>> atom() {
    const char32_t c = reader_.peek();
    if (c == '(') return group();
    if (c == '[') {
      reader_.take();
      return characters(AGLM_TRY(bracket()));
    }
    if (c == '*' || c == '+' || c == '?') return reader_.error("a quantifier after nothing");
    reader_.take();
    if (c == '.') {
      CodePointSet line_ends;
      if (!options_.dot_all) {
        line_ends.add('\n', '\n');
        // ECMAScript's other line ends; elsewhere only the first is one.
        if (options_.anywhere) {
          line_ends.add('\r', '\r');
          line_ends.add(0x2028, 0x2029);
        }
      }
      return one(one_of(line_ends.complement()));
    }
    if (c != '\\') {
      if (options_.ignore_case) return characters(CodePointSet::of(c, c));
      std::string text;
      append_utf8(text, c);
      return one(text_of(std::move(text)));
    }
    return characters(AGLM_TRY(escape(false)));
  }

  Result<std::vector<Branch>> group() {
    const size_t begin = reader_.position();
    reader_.take();
    if (reader_.skip("?")) {
      if (reader_.skip("P<") ||
          (reader_.starts("<") && !reader_.starts("<=") && !reader_.starts("<!"))) {
        reader_.skip("<");
        while (!reader_.at_end() && reader_.peek() != '>') reader_.take();
        if (!reader_.skip(">")) return reader_.error("a group's name does not end");
      } else if (!reader_.skip(":")) {
        return flags_or_refusal(begin);
      }
    }
    std::vector<Branch> branches = AGLM_TRY(alternatives());
    if (!reader_.skip(")")) {
      reader_.go_to(begin);
      return reader_.error("a group does not end");
    }
    const bool anchored = std::any_of(branches.begin(), branches.end(),
                                      [](const Branch& b) { return b.from_begin || b.to_end; });
    if (anchored) return branches;
    std::vector<ExpressionPtr> parts;
    for (Branch& branch : branches) parts.push_back(std::move(branch.body));
    return one(choice(std::move(parts)));
  }

  Result<std::vector<Branch>> flags_or_refusal(size_t begin) {
    for (const auto& [sign, name] :
         {std::pair{"=", "lookahead"}, std::pair{"!", "lookahead"}, std::pair{"<", "lookbehind"},
          std::pair{">", "an atomic group"}, std::pair{"P=", "a backreference"}}) {
      if (!reader_.starts(sign)) continue;
      reader_.go_to(begin);
      return reader_.unsupported(name);
    }
    // "(?i)" at the very beginning holds for all of it.
    if (begin != 0) return reader_.unsupported("flags within the expression");
    while (reader_.peek() != ')') {
      if (reader_.skip("i")) {
        options_.ignore_case = true;
      } else if (reader_.skip("s")) {
        options_.dot_all = true;
      } else if (!reader_.skip("u")) {
        return reader_.unsupported("a flag other than i, s and u");
      }
    }
    reader_.take();
    return std::vector<Branch>();
  }

  Result<CodePointSet> bracket() {
    const size_t begin = reader_.position();
    const bool negated = reader_.skip("^");
    CodePointSet set;
    bool first = true;
    while (first || reader_.peek() != ']') {
      if (reader_.at_end()) {
        reader_.go_to(begin);
        return reader_.error("a character class does not end");
      }
      // ECMAScript reads "[]" as an empty class, the others "[]a]" as one with a bracket in it.
      if (first && reader_.peek() == ']' && options_.anywhere) break;
      first = false;
      if (reader_.starts("[:") || reader_.starts("&&") || reader_.starts("--")) {
        return reader_.unsupported("an operator or a name in a character class");
      }
      const CodePointSet low = AGLM_TRY(member());
      AGLM_TRY(charge(low, set));
      const size_t after = reader_.position();
      if (single(low) && reader_.skip("-") && reader_.peek() != ']') {
        const CodePointSet high = AGLM_TRY(member());
        if (single(high)) {
          const char32_t from = low.ranges()[0].first, to = high.ranges()[0].first;
          if (from > to) return reader_.error("a range whose ends are reversed");
          set.add(from, to);
          continue;
        }
        reader_.go_to(after);
      } else {
        reader_.go_to(after);
      }
      set.add(low);
    }
    reader_.take();
    if (options_.ignore_case) set = ignoring_case(set);
    return negated ? set.complement() : set;
  }

  // For adding the one to the other.
  Result<void> charge(const CodePointSet& added, const CodePointSet& to) {
    const size_t n = added.ranges().size();
    return work_.charge(static_cast<int64_t>((n + 1) * (n + to.ranges().size() + 1)),
                        reader_.where());
  }

  static bool single(const CodePointSet& set) {
    return set.ranges().size() == 1 && set.ranges()[0].first == set.ranges()[0].last;
  }

  Result<CodePointSet> member() {
    const char32_t c = reader_.take();
    if (c == '\\') return escape(true);
    return CodePointSet::of(c, c);
  }

  // After the backslash.
  Result<CodePointSet> escape(bool in_class) {
    if (reader_.at_end()) return reader_.error("a backslash at the end");
    const char32_t c = reader_.take();
    const auto just = [](char32_t code) { return CodePointSet::of(code, code); };
    switch (c) {
      case 'd': return digit_characters();
      case 'D': return digit_characters().complement();
      case 'w': return word_characters();
      case 'W': return word_characters().complement();
      case 's': return space_characters();
      case 'S': return space_characters().complement();
      case 'n': return just('\n');
      case 'r': return just('\r');
      case 't': return just('\t');
      case 'f': return just('\f');
      case 'v': return just('\v');
      case 'a': return just('\a');
      case 'e': return just(0x1B);
      case 'x': return just(AGLM_TRY(braced_or(2)));
      case 'u': return just(AGLM_TRY(utf16()));
      case 'U': return just(AGLM_TRY(reader_.hexadecimal(8)));
      case 'p':
      case 'P': {
        const CodePointSet set = AGLM_TRY(property());
        return c == 'p' ? set : set.complement();
      }
      case 'c': {
        const char32_t letter = reader_.take() | 0x20;
        if (letter < 'a' || letter > 'z') return reader_.error("a control escape without a letter");
        return just(letter - 'a' + 1);
      }
      case 'b':
        if (in_class) return just('\b');
        return reader_.unsupported("a word boundary");
      case 'B': return reader_.unsupported("a word boundary");
      case '0':
        if (reader_.peek() < '0' || reader_.peek() > '9') return just(0);
        return reader_.unsupported("an octal escape");
      default: break;
    }
    if (c >= '1' && c <= '9') return reader_.unsupported("a backreference");
    if (c == 'k') return reader_.unsupported("a backreference");
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      return reader_.unsupported(fmt::format("the escape \\{}", static_cast<char>(c)));
    }
    return just(c);
  }

  Result<char32_t> braced_or(int digits) {
    if (!reader_.skip("{")) return reader_.hexadecimal(digits);
    char32_t value = 0;
    int n = 0;
    while (!reader_.skip("}")) {
      value = value * 16 + AGLM_TRY(reader_.hexadecimal(1));
      if (++n > 6 || value > kLastCodePoint) return reader_.error("no such character");
    }
    return value;
  }

  // \u0041, \u{1F600}, and a surrogate pair as one character.
  Result<char32_t> utf16() {
    const char32_t high = AGLM_TRY(braced_or(4));
    if (!is_surrogate(high)) return high;
    if (high < 0xDC00 && reader_.skip("\\u")) {
      const char32_t low = AGLM_TRY(reader_.hexadecimal(4));
      if (low >= 0xDC00 && low <= 0xDFFF) {
        return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
      }
    }
    return reader_.error("half of a surrogate pair");
  }

  Result<CodePointSet> property() {
    std::string name;
    if (reader_.skip("{")) {
      while (!reader_.at_end() && reader_.peek() != '}') append_utf8(name, reader_.take());
      if (!reader_.skip("}")) return reader_.error("a property's name does not end");
    } else if (!reader_.at_end()) {
      append_utf8(name, reader_.take());
    }
    const auto known = properties_.find(name);
    if (known != properties_.end()) return known->second;
    AGLM_TRY(work_.charge(0x110000, reader_.where()));  // every character is asked
    const auto set = property_characters(name);
    if (!set) {
      return reader_.unsupported("a property other than a general category, Any and ASCII");
    }
    return properties_.emplace(name, *set).first->second;
  }

  Work work_{kMostWorkOfClasses};
  std::map<std::string, CodePointSet> properties_;
  Reader reader_;
  RegexOptions options_;
  int depth_ = 0;
};

}  // namespace

Result<ExpressionPtr> parse_regex(std::string_view source, std::string_view where,
                                  RegexOptions options) {
  return Parser(AGLM_TRY(Reader::open(source, where)), options).whole();
}

}  // namespace autoglm::grammar
