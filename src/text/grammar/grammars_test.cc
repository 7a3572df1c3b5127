// Regular expressions, GBNF and Lark grammars: what they take, and what is refused.
#include <gmock/gmock.h>

#include "text/grammar/testing/grammars.h"

namespace autoglm::grammar {
namespace {

using testing::HasSubstr;

struct Case {
  std::string source;
  std::vector<std::string> taken, not_taken;
};

void check(Kind kind, const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    const Program program = compiled(kind, c.source);
    for (const std::string& text : c.taken)
      EXPECT_TRUE(takes(program, text)) << c.source << " : " << text;
    for (const std::string& text : c.not_taken) {
      EXPECT_FALSE(takes(program, text)) << c.source << " : " << text;
    }
  }
}

TEST(Regex, MatchesWholeTexts) {
  check(Kind::kRegex, {
                          {"[a-z]{2,5}\\d+", {"ab1", "abcde99"}, {"a1", "abcdef9", "ab", ""}},
                          {"(é|ü)+[^a]", {"éü€"}, {"éa", "é"}},
                          {"(?i)hello \\w{3,}", {"HeLLo abc_9"}, {"hello ab"}},
                          {"a{,3}", {"", "aaa"}, {"aaaa"}},
                          {"^foo$|bar", {"foo", "bar"}, {"foobar", "xbar"}},
                          {"x{2", {"x{2"}, {"xx"}},
                          {"[\\]\\-a]+", {"]-a"}, {"b"}},
                          {".", {"€", " "}, {"\n", "ab", ""}},
                          {"(?P<year>[0-9]{4})-(?:0[1-9]|1[0-2])", {"2024-12"}, {"2024-13"}},
                          {"\\p{Lu}\\p{L}*", {"Ärger"}, {"ärger"}},
                          {"\\x41\\u00e9\\u{1F600}", {"Aé😀"}, {"A"}},
                          {"(ab|a)(bc|c)", {"abc", "abbc", "ac"}, {"ab"}},
                      });
}

TEST(Regex, RefusesWhatIsNotRegularByName) {
  EXPECT_THAT(refusal(Kind::kRegex, "(?=a)b"), HasSubstr("lookahead"));
  EXPECT_THAT(refusal(Kind::kRegex, "(?<!a)b"), HasSubstr("lookbehind"));
  EXPECT_THAT(refusal(Kind::kRegex, "(a)\\1"), HasSubstr("backreference"));
  EXPECT_THAT(refusal(Kind::kRegex, "a\\b"), HasSubstr("word boundary"));
  EXPECT_THAT(refusal(Kind::kRegex, "ab("), HasSubstr("a group does not end at line 1, column 3"));
  EXPECT_THAT(refusal(Kind::kRegex, "[z-a]"), HasSubstr("reversed"));
  EXPECT_THAT(refusal(Kind::kRegex, "a$b"), HasSubstr("'$' before the end"));
  EXPECT_THAT(refusal(Kind::kRegex, "[^\\s\\S]"), HasSubstr("no text can satisfy it"));
}

TEST(Regex, RefusesWhatIsBuiltToExplode) {
  EXPECT_THAT(refusal(Kind::kRegex, "a{99999999}"), HasSubstr("at most 1000000 times"));
  EXPECT_THAT(refusal(Kind::kRegex, std::string(200, '(') + std::string(200, ')')),
              HasSubstr("nested too deeply"));
  EXPECT_THAT(refusal(Kind::kRegex, std::string(2 << 20, 'a')), HasSubstr("too long"));
  // Not refused: repetitions are counted, not written out.
  EXPECT_TRUE(takes(compiled(Kind::kRegex, "((a{1,1000}){1,1000}){1,1000}"), "aaa"));
}

TEST(Gbnf, TakesWhatItDerives) {
  check(Kind::kGrammar,
        {
            {"root ::= (\"0x\" [A-F0-9]{2} \" \"?){3,5}", {"0xFF 0x12 0xAB"}, {"", "0xFF 0x12"}},
            {"root ::= item+\n# a comment\nitem ::= \"- \" [^\\n]+ \"\\n\"",
             {"- a\n- b c\n"},
             {"- a"}},
            {"root ::= \"(\" root \")\" | \"\"", {"", "(((())))"}, {"(()"}},
            {"root ::= [\\x41-\\u00e9]", {"A", "é"}, {"@", "ê"}},
            {"root ::= a | \"x\"\n  | b\na ::= \"1\"\nb ::= \"2\"", {"1", "2", "x"}, {"12"}},
        });
}

TEST(Gbnf, LeftRecursionIsARepetition) {
  check(Kind::kGrammar,
        {
            {"root ::= root \"+\" t | t\nt ::= t \"*\" f | f\nf ::= \"(\" root \")\" | [0-9]",
             {"1+2*3", "(1+2)*3+4", "((1))"},
             {"1+", "", "((1)"}},
            {"root ::= a\na ::= b \"x\" | \"y\"\nb ::= a \"z\" | c \"w\"\nc ::= b \"q\" | \"r\"",
             {"y", "yzx", "rwx", "rwqwx", "yzqwx", "rwxzx"},
             {"yx", "rw", "yz"}},
            {"root ::= a? root \"b\" | \"c\"\na ::= \"a\"",
             {"c", "cb", "acb", "aacbb", "acbb"},
             {"aacb", "a"}},
        });
}

TEST(Gbnf, ErrorsTellWhere) {
  EXPECT_THAT(refusal(Kind::kGrammar, "root ::= \"a"),
              HasSubstr("a literal does not end at line 1"));
  EXPECT_THAT(refusal(Kind::kGrammar, "root ::= other"), HasSubstr("rule other is not defined"));
  EXPECT_THAT(refusal(Kind::kGrammar, "other ::= \"a\""), HasSubstr("a rule named root"));
  EXPECT_THAT(refusal(Kind::kGrammar, "root ::= \"a\"\nroot ::= \"b\""),
              HasSubstr("defined twice"));
  EXPECT_THAT(refusal(Kind::kGrammar, "root ::= \"a\" root"), HasSubstr("no text can satisfy it"));
  EXPECT_THAT(refusal(Kind::kGrammar, "root ::= root | root \"a\""),
              HasSubstr("no text can satisfy it"));
}

TEST(Lark, TakesWhatItDerives) {
  check(
      Kind::kGrammar,
      {
          {"start: expr\n?expr: expr \"+\" term -> add | term\n?term: term \"*\" atom | atom\n"
           "?atom: NUMBER | \"(\" expr \")\"\n%import common.NUMBER\n%import common.WS\n%ignore WS",
           {"1 + 2*3", " (1+2 )*3.5e3+4 "},
           {"1+", "", "(1"}},
          {"start: \"select\"i NAME (\",\" NAME)* [\";\"]\nNAME: /[a-z]+/\n%ignore \" \"",
           {"SELECT a, b;", "select a"},
           {"select", "select A"}},
          {"start: LETTER~2..3 // two or three\nLETTER: \"a\"..\"c\"", {"ab", "abc"}, {"a", "abd"}},
          {"start: ITEM\nITEM.2: \"x\" | \"y\"", {"x"}, {"xy"}},
      });
}

TEST(Lark, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(refusal(Kind::kGrammar, "start: A\n%declare A"), HasSubstr("%declare"));
  EXPECT_THAT(refusal(Kind::kGrammar, "start: \"a\"\n%import python.NAME"), HasSubstr("common"));
  EXPECT_THAT(refusal(Kind::kGrammar, "x: \"a\""), HasSubstr("a rule named start"));
}

}  // namespace
}  // namespace autoglm::grammar
