// Lark's notation: rules in small letters, terminals in capitals, "text", /expressions/, groups,
// [optional parts], repetitions, %import of common terminals and %ignore. Read as a grammar over
// characters: there is no lexer that prefers the longest terminal, so a text may be derived in any
// way. What %ignore names may stand after every terminal of a rule, and at the beginning.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/utf8.h"
#include "text/grammar/reader.h"
#include "text/grammar/regex_syntax.h"
#include "text/grammar/rules.h"

namespace autoglm::grammar {
namespace {

// Lark's own library, as regular expressions.
struct CommonTerminal {
  std::string_view name, expression;
};
constexpr std::array<CommonTerminal, 24> kCommon = {{
    {"DIGIT", "[0-9]"},
    {"HEXDIGIT", "[0-9a-fA-F]"},
    {"INT", "[0-9]+"},
    {"SIGNED_INT", "[+-]?[0-9]+"},
    {"DECIMAL", R"([0-9]+\.[0-9]*|\.[0-9]+)"},
    {"FLOAT", R"([0-9]+[eE][+-]?[0-9]+|([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)"},
    {"SIGNED_FLOAT", R"([+-]?([0-9]+[eE][+-]?[0-9]+|([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?))"},
    {"NUMBER", R"([0-9]+([eE][+-]?[0-9]+)?|([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)"},
    {"SIGNED_NUMBER",
     R"([+-]?([0-9]+([eE][+-]?[0-9]+)?|([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?))"},
    {"ESCAPED_STRING", R"("([^"\\\n]|\\[^\n])*")"},
    {"LCASE_LETTER", "[a-z]"},
    {"UCASE_LETTER", "[A-Z]"},
    {"LETTER", "[A-Za-z]"},
    {"WORD", "[A-Za-z]+"},
    {"CNAME", "[A-Za-z_][A-Za-z0-9_]*"},
    {"WS_INLINE", "[ \\t]+"},
    {"WS", "[ \\t\\f\\r\\n]+"},
    {"CR", "\\r"},
    {"LF", "\\n"},
    {"NEWLINE", "(\\r?\\n)+"},
    {"SH_COMMENT", "#[^\\n]*"},
    {"CPP_COMMENT", "//[^\\n]*"},
    {"C_COMMENT", R"(/\*([^*]|\*+[^*/])*\*+/)"},
    {"SQL_COMMENT", "--[^\\n]*"},
}};

bool is_letter(char32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name(char32_t c) { return is_letter(c) || (c >= '0' && c <= '9'); }

bool is_terminal(std::string_view name) {
  const size_t first = name.find_first_not_of('_');
  return first != std::string_view::npos && name[first] >= 'A' && name[first] <= 'Z';
}

class Parser {
 public:
  explicit Parser(Reader reader) : reader_(reader) {}

  Result<Rules> grammar() {
    ignored_ = rules_.number(" ignored");
    skip_space();
    while (!reader_.at_end()) {
      AGLM_TRY(reader_.peek() == '%' ? directive() : definition());
      skip_space();
    }
    std::vector<ExpressionPtr> ignored = std::move(ignored_parts_);
    rules_.define(ignored_, ignored.empty()
                                ? text_of("")
                                : repeat(choice(std::move(ignored)), 0, Expression::kUnbounded));
    // What may be ignored may also come first.
    const int32_t start = rules_.number("start");
    if (rules_.defined(start)) {
      const int32_t inner = rules_.number(" start");
      rules_.define(inner, rules_.body(start));
      rules_.define(start, sequence({rule_reference(ignored_), rule_reference(inner)}));
    }
    return std::move(rules_);
  }

 private:
  void skip_space() {
    while (true) {
      const char32_t c = reader_.peek();
      if (c == '#' || reader_.starts("//")) {
        while (!reader_.at_end() && reader_.peek() != '\n') reader_.take();
      } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        reader_.take();
      } else {
        return;
      }
    }
  }
  void skip_blanks() {
    while (reader_.peek() == ' ' || reader_.peek() == '\t') reader_.take();
  }

  std::string take_name() {
    const size_t begin = reader_.position();
    if (is_letter(reader_.peek())) {
      while (is_name(reader_.peek())) reader_.take();
    }
    return std::string(reader_.since(begin));
  }

  Result<void> directive() {
    const size_t begin = reader_.position();
    reader_.take();
    const std::string name = take_name();
    skip_blanks();
    if (name == "ignore") {
      in_terminal_ = true;
      ignored_parts_.push_back(AGLM_TRY(alternatives()));
      return {};
    }
    if (name == "import") return import();
    reader_.go_to(begin);
    return reader_.unsupported(fmt::format("%{}", name));
  }

  // "%import common.INT", "%import common.INT -> NUMBER", "%import common (INT, WS)".
  Result<void> import() {
    if (!reader_.skip("common")) return reader_.unsupported("an import from other than common");
    skip_blanks();
    if (reader_.skip(".")) {
      const std::string name = take_name();
      skip_blanks();
      std::string as = name;
      if (reader_.skip("->")) {
        skip_blanks();
        as = take_name();
      }
      return import_one(name, as);
    }
    if (!reader_.skip("(")) return reader_.error("not an import", "common.NAME");
    do {
      skip_space();
      const std::string name = take_name();
      AGLM_TRY(import_one(name, name));
      skip_space();
    } while (reader_.skip(","));
    if (!reader_.skip(")")) return reader_.error("an import does not end", ")");
    return {};
  }

  Result<void> import_one(const std::string& name, const std::string& as) {
    const auto found = std::find_if(kCommon.begin(), kCommon.end(),
                                    [&](const CommonTerminal& t) { return t.name == name; });
    if (found == kCommon.end()) {
      return reader_.unsupported(fmt::format("common.{}", name));
    }
    const int32_t rule = rules_.number(as);
    if (rules_.defined(rule)) return reader_.error(fmt::format("{} is defined twice", as));
    rules_.define(rule, AGLM_TRY(parse_regex(found->expression, reader_.where())));
    return {};
  }

  Result<void> definition() {
    const size_t begin = reader_.position();
    while (reader_.peek() == '?' || reader_.peek() == '!') reader_.take();
    const std::string name = take_name();
    skip_blanks();
    if (reader_.skip(".")) {  // a priority: it chooses between parses of the same text
      reader_.skip("-");
      AGLM_TRY(reader_.number());
      skip_blanks();
    }
    if (reader_.peek() == '{') return reader_.unsupported("a template");
    if (name.empty() || !reader_.skip(":")) {
      reader_.go_to(begin);
      return reader_.error("not a definition", "name: ...");
    }
    const int32_t rule = rules_.number(name);
    if (rules_.defined(rule)) {
      reader_.go_to(begin);
      return reader_.error(fmt::format("{} is defined twice", name));
    }
    in_terminal_ = is_terminal(name);
    rules_.define(rule, AGLM_TRY(alternatives()));
    if (reader_.peek() == ')' || reader_.peek() == ']') {
      return reader_.error("a bracket that nothing opens");
    }
    return {};
  }

  // A definition ends at a line that begins with a name and a colon, with '%' or at the end.
  bool at_next_definition() {
    const char32_t c = reader_.peek();
    if (c == '%' || c == '!') return true;
    const size_t begin = reader_.position();
    while (reader_.peek() == '?' || reader_.peek() == '!') reader_.take();
    bool next = !take_name().empty();
    skip_blanks();
    if (next && reader_.skip(".") && !reader_.starts(".")) {
      while (is_name(reader_.peek()) || reader_.peek() == '-') reader_.take();
      skip_blanks();
    }
    next = next && reader_.peek() == ':';
    reader_.go_to(begin);
    return next;
  }

  Result<ExpressionPtr> alternatives() {
    if (++depth_ > kMaxNesting) {
      return reader_.error("groups are nested too deeply", fmt::format("at most {}", kMaxNesting));
    }
    std::vector<ExpressionPtr> parts;
    skip_space();
    reader_.skip("|");  // a leading bar is common
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
      if (reader_.skip("->")) {
        skip_blanks();
        take_name();  // a name for the parse tree
        continue;
      }
      const char32_t c = reader_.peek();
      if (reader_.at_end() || c == '|' || c == ')' || c == ']' || at_next_definition()) {
        return parts.empty() ? text_of("") : sequence(std::move(parts));
      }
      ExpressionPtr part = AGLM_TRY(element());
      parts.push_back(AGLM_TRY(repeated(std::move(part))));
    }
  }

  Result<ExpressionPtr> repeated(ExpressionPtr part) {
    for (int n = 0;; ++n) {
      if (n > kMaxNesting) return reader_.error("too many repetitions of repetitions");
      if (reader_.skip("*")) {
        part = repeat(std::move(part), 0, Expression::kUnbounded);
      } else if (reader_.skip("+")) {
        part = repeat(std::move(part), 1, Expression::kUnbounded);
      } else if (reader_.skip("?")) {
        part = repeat(std::move(part), 0, 1);
      } else {
        skip_blanks();
        if (!reader_.skip("~")) return part;
        skip_blanks();
        const int32_t least = AGLM_TRY(reader_.number());
        skip_blanks();
        int32_t most = least;
        if (reader_.skip("..")) {
          skip_blanks();
          most = AGLM_TRY(reader_.number());
        }
        if (most < least) return reader_.error("a repetition whose bounds are reversed");
        part = repeat(std::move(part), least, most);
      }
    }
  }

  // A terminal within a rule: what is ignored may follow it.
  ExpressionPtr terminal(ExpressionPtr e) const {
    return in_terminal_ ? e : sequence({std::move(e), rule_reference(ignored_)});
  }

  Result<ExpressionPtr> element() {
    const size_t begin = reader_.position();
    if (reader_.skip("(")) {
      ExpressionPtr inner = AGLM_TRY(alternatives());
      if (reader_.skip(")")) return inner;
    } else if (reader_.skip("[")) {
      ExpressionPtr inner = AGLM_TRY(alternatives());
      if (reader_.skip("]")) return repeat(std::move(inner), 0, 1);
    } else if (reader_.peek() == '"') {
      return terminal(AGLM_TRY(text_or_range()));
    } else if (reader_.skip("/")) {
      return terminal(AGLM_TRY(expression(begin)));
    } else {
      const std::string name = take_name();
      if (name.empty()) {
        return reader_.error("unexpected character", "a text, an expression, a group or a name");
      }
      if (reader_.peek() == '{') return reader_.unsupported("a template");
      if (!is_terminal(name) && in_terminal_) {
        return reader_.error(fmt::format("a terminal that contains rule {}", name));
      }
      ExpressionPtr called = rule_reference(rules_.number(name));
      return is_terminal(name) ? terminal(std::move(called)) : called;
    }
    reader_.go_to(begin);
    return reader_.error("a group does not end");
  }

  Result<ExpressionPtr> text_or_range() {
    const std::string text = AGLM_TRY(quoted());
    const bool ignore_case = reader_.peek() == 'i' && reader_.skip("i");
    if (reader_.starts("..")) {
      reader_.skip("..");
      if (reader_.peek() != '"') return reader_.error("a range does not end", "\"z\"");
      const std::string last = AGLM_TRY(quoted());
      if (count_characters(text) != 1 || count_characters(last) != 1) {
        return reader_.error("the ends of a range are not single characters");
      }
      const char32_t from = character_at(text, 0).code, to = character_at(last, 0).code;
      if (from > to) return reader_.error("a range whose ends are reversed");
      return one_of(CodePointSet::of(from, to));
    }
    if (!ignore_case) return text_of(text);
    std::vector<ExpressionPtr> parts;
    for (size_t at = 0; at < text.size();) {
      const Character c = character_at(text, at);
      at += c.length;
      CodePointSet set = CodePointSet::of(c.code, c.code);
      const char32_t lower = c.code | 0x20;
      if (c.code < 0x80 && lower >= 'a' && lower <= 'z') {
        set.add(lower, lower);
        set.add(lower - 0x20, lower - 0x20);
      }
      parts.push_back(one_of(std::move(set)));
    }
    return parts.empty() ? text_of("") : sequence(std::move(parts));
  }

  Result<std::string> quoted() {
    const size_t begin = reader_.position();
    reader_.take();
    std::string text;
    while (!reader_.skip("\"")) {
      if (reader_.at_end() || reader_.peek() == '\n') {
        reader_.go_to(begin);
        return reader_.error("a text does not end");
      }
      char32_t c = reader_.take();
      if (c == '\\') {
        c = reader_.take();
        switch (c) {
          case 'n': c = '\n'; break;
          case 'r': c = '\r'; break;
          case 't': c = '\t'; break;
          case 'f': c = '\f'; break;
          case 'v': c = '\v'; break;
          case 'x': c = AGLM_TRY(reader_.hexadecimal(2)); break;
          case 'u': c = AGLM_TRY(reader_.hexadecimal(4)); break;
          case 'U': c = AGLM_TRY(reader_.hexadecimal(8)); break;
          case '\\':
          case '"':
          case '/': break;
          default: return reader_.error("unknown escape", "\\n \\r \\t \\x \\u \\U \\\\ \\\"");
        }
        if (!is_scalar_value(c)) return reader_.error("no such character");
      }
      append_utf8(text, c);
    }
    return text;
  }

  // After the opening slash.
  Result<ExpressionPtr> expression(size_t begin) {
    std::string source;
    bool in_class = false;
    while (in_class || reader_.peek() != '/') {
      if (reader_.at_end() || reader_.peek() == '\n') {
        reader_.go_to(begin);
        return reader_.error("an expression does not end");
      }
      const char32_t c = reader_.take();
      if (c == '[') in_class = true;
      if (c == ']') in_class = false;
      append_utf8(source, c);
      if (c == '\\' && !reader_.at_end()) append_utf8(source, reader_.take());
    }
    reader_.take();
    RegexOptions options;
    while (is_letter(reader_.peek())) {
      if (reader_.skip("i")) {
        options.ignore_case = true;
      } else if (reader_.skip("s")) {
        options.dot_all = true;
      } else if (!reader_.skip("u") && !reader_.skip("m")) {
        return reader_.unsupported("a flag other than i, s, m and u");
      }
    }
    return parse_regex(source, reader_.where(), options);
  }

  Reader reader_;
  Rules rules_;
  int32_t ignored_ = -1;
  std::vector<ExpressionPtr> ignored_parts_;
  bool in_terminal_ = false;
  int depth_ = 0;
};

}  // namespace

Result<Rules> parse_lark(std::string_view source, std::string_view where) {
  return Parser(AGLM_TRY(Reader::open(source, where))).grammar();
}

}  // namespace autoglm::grammar
