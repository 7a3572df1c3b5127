// GBNF: rules of literals, character classes, groups and repetitions. A rule goes on until the next
// "name ::=", so line breaks may stand anywhere.
#include <fmt/format.h>

#include <utility>

#include "base/utf8.h"
#include "text/grammar/reader.h"
#include "text/grammar/rules.h"
#include "text/grammar/work.h"

namespace autoglm::grammar {
namespace {

bool is_name(char32_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

constexpr int64_t kMostWorkOfClasses = 100'000'000;  // steps (work.h)

class Parser {
 public:
  explicit Parser(Reader reader) : reader_(reader) {}

  Result<Rules> grammar() {
    skip_space();
    while (!reader_.at_end()) {
      const size_t begin = reader_.position();
      const std::string name = take_name();
      skip_space();
      if (name.empty() || !reader_.skip("::=")) {
        reader_.go_to(begin);
        return reader_.error("not a rule", "name ::= ...");
      }
      const int32_t rule = rules_.number(name);
      if (rules_.defined(rule)) {
        reader_.go_to(begin);
        return reader_.error(fmt::format("rule {} is defined twice", name));
      }
      rules_.define(rule, AGLM_TRY(alternatives()));
      if (reader_.peek() == ')') return reader_.error("a parenthesis that nothing opens");
    }
    return std::move(rules_);
  }

 private:
  void skip_space() {
    while (true) {
      const char32_t c = reader_.peek();
      if (c == '#') {
        while (!reader_.at_end() && reader_.peek() != '\n') reader_.take();
      } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        reader_.take();
      } else {
        return;
      }
    }
  }

  std::string take_name() {
    const size_t begin = reader_.position();
    while (is_name(reader_.peek())) reader_.take();
    return std::string(reader_.since(begin));
  }

  bool at_next_rule() {
    const size_t begin = reader_.position();
    const bool named = !take_name().empty();
    skip_space();
    const bool next = named && reader_.starts("::=");
    reader_.go_to(begin);
    return next;
  }

  Result<ExpressionPtr> alternatives() {
    if (++depth_ > kMaxNesting) {
      return reader_.error("groups are nested too deeply", fmt::format("at most {}", kMaxNesting));
    }
    std::vector<ExpressionPtr> parts;
    do {
      parts.push_back(AGLM_TRY(one_alternative()));
    } while (reader_.skip("|"));
    --depth_;
    return choice(std::move(parts));
  }

  Result<ExpressionPtr> one_alternative() {
    std::vector<ExpressionPtr> parts;
    while (true) {
      skip_space();
      if (reader_.at_end() || reader_.peek() == '|' || reader_.peek() == ')' || at_next_rule()) {
        return parts.empty() ? text_of("") : sequence(std::move(parts));
      }
      ExpressionPtr part = AGLM_TRY(element());
      parts.push_back(AGLM_TRY(repeated(std::move(part))));
    }
  }

  Result<ExpressionPtr> repeated(ExpressionPtr part) {
    for (int n = 0;; ++n) {
      if (n > kMaxNesting) return reader_.error("too many repetitions of repetitions");
      skip_space();
      if (reader_.skip("*")) {
        part = repeat(std::move(part), 0, Expression::kUnbounded);
      } else if (reader_.skip("+")) {
        part = repeat(std::move(part), 1, Expression::kUnbounded);
      } else if (reader_.skip("?")) {
        part = repeat(std::move(part), 0, 1);
      } else if (reader_.skip("{")) {
        part = AGLM_TRY(counted(std::move(part)));
      } else {
        return part;
      }
    }
  }

  Result<ExpressionPtr> counted(ExpressionPtr part) {
    skip_space();
    const bool from_zero = reader_.peek() == ',';
    const int32_t least = from_zero ? 0 : AGLM_TRY(reader_.number());
    int32_t most = least;
    skip_space();
    if (reader_.skip(",")) {
      skip_space();
      most = Expression::kUnbounded;
      if (reader_.peek() != '}') most = AGLM_TRY(reader_.number());
      skip_space();
    }
    if (!reader_.skip("}")) return reader_.error("a repetition does not end", "}");
    if (most != Expression::kUnbounded && most < least) {
      return reader_.error("a repetition whose bounds are reversed");
    }
    return repeat(std::move(part), least, most);
  }

  Result<ExpressionPtr> element() {
    const size_t begin = reader_.position();
    if (reader_.skip("\"")) return literal(begin);
    if (reader_.skip("[")) return characters(begin);
    if (reader_.skip(".")) return one_of(CodePointSet::all());
    if (reader_.skip("(")) {
      ExpressionPtr inner = AGLM_TRY(alternatives());
      if (!reader_.skip(")")) {
        reader_.go_to(begin);
        return reader_.error("a group does not end");
      }
      return inner;
    }
    const std::string name = take_name();
    if (name.empty()) {
      return reader_.error("unexpected character", "a literal, a class, a group or a rule's name");
    }
    return rule_reference(rules_.number(name));
  }

  Result<ExpressionPtr> literal(size_t begin) {
    std::string text;
    while (!reader_.skip("\"")) {
      if (reader_.at_end()) {
        reader_.go_to(begin);
        return reader_.error("a literal does not end");
      }
      append_utf8(text, AGLM_TRY(character()));
    }
    return text_of(std::move(text));
  }

  Result<ExpressionPtr> characters(size_t begin) {
    const bool negated = reader_.skip("^");
    CodePointSet set;
    while (!reader_.skip("]")) {
      if (reader_.at_end()) {
        reader_.go_to(begin);
        return reader_.error("a character class does not end");
      }
      const char32_t first = AGLM_TRY(character());
      char32_t last = first;
      if (reader_.starts("-") && !reader_.starts("-]")) {
        reader_.take();
        last = AGLM_TRY(character());
        if (last < first) return reader_.error("a range whose ends are reversed");
      }
      AGLM_TRY(work_.charge(static_cast<int64_t>(set.ranges().size()) + 1, reader_.where()));
      set.add(first, last);
    }
    return one_of(negated ? set.complement() : set);
  }

  Result<char32_t> character() {
    const char32_t c = reader_.take();
    if (c != '\\') return c;
    switch (const char32_t escaped = reader_.take()) {
      case 'x': return reader_.hexadecimal(2);
      case 'u': return scalar(4);
      case 'U': return scalar(8);
      case 'n': return U'\n';
      case 'r': return U'\r';
      case 't': return U'\t';
      case '\\':
      case '"':
      case '\'':
      case '[':
      case ']':
      case '-':
      case '^':
      case '/': return escaped;
      default: return reader_.error("unknown escape", "\\x \\u \\U \\n \\r \\t \\\\ \\\" \\[ \\]");
    }
  }

  Result<char32_t> scalar(int digits) {
    const char32_t c = AGLM_TRY(reader_.hexadecimal(digits));
    if (!is_scalar_value(c)) return reader_.error("no such character");
    return c;
  }

  Work work_{kMostWorkOfClasses};
  Reader reader_;
  Rules rules_;
  int depth_ = 0;
};

}  // namespace

Result<Rules> parse_gbnf(std::string_view source, std::string_view where) {
  return Parser(AGLM_TRY(Reader::open(source, where))).grammar();
}

}  // namespace autoglm::grammar
