// What asks for too much is refused as such, whatever limit it meets: an error of kind kTooLarge
// that names the request's field, and within the work that a grammar may cost.
#include <gmock/gmock.h>

#include "text/grammar/testing/grammars.h"

namespace autoglm::grammar {
namespace {

std::string repeated(std::string_view text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

// The same text for each number, which takes the place of "#".
std::string numbered(std::string_view text, std::string_view separator, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) {
    if (i > 0) result += separator;
    for (const char c : text) {
      if (c == '#') {
        result += std::to_string(i);
      } else {
        result += c;
      }
    }
  }
  return result;
}

struct TooMuch {
  std::string name;
  Kind kind;
  std::string source;
};

std::vector<TooMuch> too_much() {
  return {
      {"states", Kind::kRegex, std::string(900'000, 'a')},
      {"repetitions", Kind::kRegex, repeated("a{1,999999}b", 1100)},
      {"transitions", Kind::kRegex, repeated("(.{1,1000}x){1,1000}", 40'000)},
      {"classes", Kind::kRegex, repeated(R"([\p{L}\p{N}\p{Lu}\P{Ll}])", 40'000)},
      {"patterns with lengths", Kind::kJson,
       R"({"type": "string", "pattern": "a.{20}$", "maxLength": 3000})"},
      {"many patterns with lengths", Kind::kJson,
       R"({"properties": {)" +
           numbered(R"("p#": {"type": "string", "pattern": "^[a-z]+x#$", "maxLength": 2000})", ",",
                    200) +
           "}}"},
      {"lists of values", Kind::kJson,
       R"({"allOf": [{"enum": [)" + numbered("#", ",", 60'000) + R"(]}, {"enum": [)" +
           numbered("1#", ",", 60'000) + "]}]}"},
      // Each value is tried on all alternatives at once, and satisfies none.
      {"lists of values beside alternatives", Kind::kJson,
       R"({"enum": [)" + numbered("[#" + repeated(",[1]", 60) + R"(,"no"])", ",", 2000) +
           R"(], "items": {"anyOf": [{"type": "integer"}, {"type": "array", "maxItems": 1}]},
               "anyOf": [)" +
           numbered(R"({"type": "array", "maxItems": 2#})", ",", 300) + "]}"},
      {"lists of values for each alternative", Kind::kJson,
       R"({"type": "boolean", "not": {"enum": [)" + numbered("#", ",", 100'000) +
           R"(]}, "anyOf": [)" + numbered(R"({"maxLength": #})", ",", 15'000) + "]}"},
      {"required properties for each pair of alternatives", Kind::kJson,
       R"({"type": "object", "required": [)" + numbered(R"("p#")", ",", 50'000) +
           R"(], "oneOf": [)" + numbered(R"({"maxProperties": #})", ",", 100) + "]}"},
      {"schemas for each property", Kind::kJson,
       R"({"type": "object", "properties": {)" + numbered(R"("p#": true)", ",", 20'000) +
           R"(}, "allOf": [)" + numbered(R"({"properties": {"q#": true}})", ",", 10'000) + "]}"},
      {"pairs of alternatives", Kind::kJson,
       R"({"oneOf": [)" + numbered(R"({"type": "string", "pattern": "^x#[0-9]*y"})", ",", 2000) +
           "]}"},
      {"optional properties", Kind::kJson,
       R"({"type": "object", "additionalProperties": false, "properties": {)" +
           numbered(R"("p#": {"type": "null"})", ",", 20'000) + "}}"},
      {"rules that begin with each other", Kind::kGrammar,
       "root ::= " + numbered("r#", " | ", 250) + "\n" +
           numbered("r# ::= " + numbered("r#", " \"#\" | ", 250) + " \"x\" | \"#\"", "\n", 250)},
  };
}

TEST(Limits, TooMuchIsRefusedByTheFieldThatAsksForIt) {
  for (const TooMuch& one : too_much()) {
    const auto program =
        compile_program({.kind = one.kind, .text = one.source, .field = "guided_something"});
    ASSERT_FALSE(program) << one.name;
    EXPECT_EQ(program.error().code, ErrorCode::kTooLarge)
        << one.name << ": " << program.error().message();
    EXPECT_EQ(program.error().where, "guided_something") << one.name;
  }
}

TEST(Limits, RefusalsAreRememberedAndNothingElseIsCompiledForThem) {
  const ListTokenizer tokenizer = ListTokenizer::with_large_subtrees();
  GrammarStore store(tokenizer, tokenizer.vocab_size());
  const StructuredOutput wish{
      .kind = Kind::kRegex, .text = repeated("a{1,999999}b", 1100), .field = "guided_regex"};
  EXPECT_FALSE(store.knows(wish));
  const auto refused = store.get(wish);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(store.knows(wish));
  EXPECT_EQ(store.counts().compiled, 1);
  EXPECT_EQ(store.get(wish).error().message(), refused.error().message());
  EXPECT_EQ(store.counts().compiled, 1);
  EXPECT_EQ(store.counts().reused, 1);
  StructuredOutput other = wish;
  other.field = "structured_outputs";
  EXPECT_EQ(store.get(other).error().where, "structured_outputs");
}

// Of a grammar that is small, and whose masks are not: thousands of unlike alternatives.
TEST(Limits, AMaskThatTakesTooMuchWorkIsRefusedWithTheGrammar) {
  std::vector<std::string> tokens;
  for (char a = 'a'; a <= 'z'; ++a) {
    for (char b = 'a'; b <= 'z'; ++b) {
      for (char c = 'a'; c <= 'z'; ++c) tokens.push_back({a, b, c, a, b, c, b, a});
    }
  }
  const ListTokenizer tokenizer = ListTokenizer::with_all_bytes(std::move(tokens));
  GrammarStore store(tokenizer, tokenizer.vocab_size());
  const StructuredOutput wish{.kind = Kind::kRegex,
                              .text = numbered("[a-z]*(x#|[a-y]{2}#)", "|", 1500),
                              .field = "guided_regex"};
  const auto refused = store.get(wish);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(refused.error().where, "guided_regex");
}

}  // namespace
}  // namespace autoglm::grammar
