// Masks against the definition: a token is allowed exactly when its bytes can be gone on with.
#include "text/grammar/matcher.h"

#include <gmock/gmock.h>

#include <random>

#include "text/grammar/testing/grammars.h"
#include "text/grammar/testing/random_wish.h"

namespace autoglm::grammar {
namespace {

using testing::HasSubstr;

const ListTokenizer& tokenizer() {
  static const ListTokenizer kTokenizer =
      ListTokenizer::with_all_bytes({"{\"",
                                     "\":",
                                     "\": ",
                                     "\",",
                                     "\", \"",
                                     "\"}",
                                     "}}",
                                     "]}",
                                     "true",
                                     "false",
                                     "null",
                                     " \"",
                                     "name",
                                     "age",
                                     "\"name",
                                     "\"name\": \"",
                                     "hello",
                                     " world",
                                     "é",
                                     "\xC3",
                                     "\xA9\"",
                                     "12",
                                     "1234",
                                     "0.5",
                                     "\\n",
                                     "\\\"",
                                     "\\u00",
                                     "  ",
                                     "\n",
                                     "\n  ",
                                     "[1,",
                                     ", ",
                                     "abcdefghijklmnopqrstuvwxyz",
                                     "<tool>",
                                     "<t",
                                     "ool>",
                                     "</tool>",
                                     "aaaa",
                                     "ab"});
  return kTokenizer;
}

std::shared_ptr<const Vocabulary> vocabulary() {
  static const auto kVocabulary = Vocabulary::of(tokenizer(), tokenizer().vocab_size());
  return kVocabulary;
}

std::shared_ptr<CompiledGrammar> grammar(Kind kind, std::string text) {
  auto made = compile({.kind = kind, .text = std::move(text)}, vocabulary());
  EXPECT_TRUE(made) << (made ? "" : made.error().message());
  return *made;
}

struct Example {
  Kind kind;
  std::string source;
};

const std::vector<Example>& examples() {
  static const std::vector<Example> kExamples = {
      {Kind::kJsonObject, ""},
      {Kind::kJson, R"({"type": "object", "properties": {"name": {"type": "string"},
        "age": {"type": "integer", "minimum": 0, "maximum": 150}}, "required": ["name"],
        "additionalProperties": false})"},
      {Kind::kJson, R"({"type": "object", "properties": {"tags": {"type": "array",
        "items": {"type": "string", "maxLength": 5}, "maxItems": 3}}})"},
      {Kind::kJson, R"({"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "object", "properties":
        {"v": {"type": "number"}, "kids": {"type": "array", "items": {"$ref": "#/$defs/tree"}}},
        "required": ["v"], "additionalProperties": false}}})"},
      {Kind::kRegex, "(a|ab){3,20}(hello|h.*)"},
      {Kind::kRegex, "[^\"]{2,40}é?"},
      {Kind::kGrammar, "root ::= \"[\" (root (\", \" root)*)? \"]\" | [0-9]+"},
      {Kind::kGrammar, "root ::= root \"a\" | root \"ab\" | \"b\""},
      {Kind::kStructuralTag, R"({"type": "structural_tag", "format": {"type": "triggered_tags",
        "triggers": ["<tool>"], "tags": [{"type": "tag", "begin": "<tool>", "content":
        {"type": "json_schema", "json_schema": {"type": "object"}}, "end": "</tool>"}]}})"},
  };
  return kExamples;
}

TEST(GrammarMatcher, MaskIsExactlyTheTokensThatCanBeTaken) {
  std::mt19937 random(1);
  for (const Example& example : examples()) {
    const auto compiled = grammar(example.kind, example.source);
    for (int run = 0; run < 6; ++run) {
      GrammarMatcher matcher(compiled);
      for (int step = 0; step < 40 && !matcher.must_end(); ++step) {
        const auto mask = matcher.mask();
        ASSERT_TRUE(mask);
        std::vector<int32_t> allowed;
        for (int32_t id = 0; id < tokenizer().vocab_size(); ++id) {
          GrammarMatcher copy = matcher;
          const bool taken = copy.accept(TokenId{id});
          ASSERT_EQ(taken, (*mask)->allows(id))
              << example.source << ", token " << id << ", step " << step;
          if (taken) allowed.push_back(id);
        }
        ASSERT_EQ((*mask)->n_allowed, std::ssize(allowed));
        if (allowed.empty()) break;
        ASSERT_EQ((*mask)->only, allowed.size() == 1 ? allowed[0] : -1);
        ASSERT_TRUE(matcher.accept(TokenId{allowed[random() % allowed.size()]}));
      }
    }
  }
}

// Counts of characters decide about whole subtrees of such a vocabulary, while new states are made.
TEST(GrammarMatcher, MasksOfBoundedGrammarsAreExactWhereSubtreesAreLarge) {
  const ListTokenizer large = ListTokenizer::with_large_subtrees();
  const auto its_vocabulary = Vocabulary::of(large, large.vocab_size());
  std::mt19937 random(1);
  for (int run = 0; run < 120; ++run) {
    std::vector<uint8_t> bytes(40);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    const StructuredOutput wish = RandomWish(bytes).wish();
    const auto made = compile(wish, its_vocabulary);
    ASSERT_TRUE(made) << wish.text << ": " << made.error().message();
    GrammarMatcher matcher(*made);
    for (int step = 0; step < 6 && !matcher.must_end(); ++step) {
      const auto mask = matcher.mask();
      ASSERT_TRUE(mask);
      std::vector<int32_t> allowed;
      for (int32_t id = 0; id < large.vocab_size(); ++id) {
        GrammarMatcher copy = matcher;
        const bool taken = copy.accept(TokenId{id});
        ASSERT_EQ(taken, (*mask)->allows(id)) << wish.text << ", token " << id << ", step " << step;
        if (taken) allowed.push_back(id);
      }
      if (allowed.empty()) break;
      ASSERT_TRUE(matcher.accept(TokenId{allowed[random() % allowed.size()]}));
    }
  }
}

TEST(GrammarMatcher, SpecialTokensNeverMatchText) {
  GrammarMatcher matcher(grammar(Kind::kRegex, "(.|\\n)*"));
  const auto mask = matcher.mask();
  ASSERT_TRUE(mask);
  EXPECT_FALSE((*mask)->allows(tokenizer().vocab_size() - 1));
  EXPECT_FALSE(matcher.accept(*tokenizer().eos()));
  EXPECT_TRUE(matcher.may_end());
}

TEST(GrammarMatcher, KnowsWhereATextMayEndAndWhereItMust) {
  GrammarMatcher matcher(grammar(Kind::kRegex, "a+b?"));
  EXPECT_FALSE(matcher.may_end());
  ASSERT_TRUE(matcher.accept_text("aa"));
  EXPECT_TRUE(matcher.may_end());
  EXPECT_FALSE(matcher.must_end());
  EXPECT_FALSE(matcher.accept_text("ac"));  // and is where it was
  ASSERT_TRUE(matcher.accept_text("b"));
  EXPECT_TRUE(matcher.must_end());
}

TEST(GrammarMatcher, StateStaysBoundedOverALongText) {
  const auto compiled = grammar(Kind::kJson, "true");
  GrammarMatcher matcher(compiled);
  ASSERT_TRUE(matcher.accept_text("["));
  for (int i = 0; i < 200'000; ++i) ASSERT_TRUE(matcher.accept_text("{\"a\": [1, \"x\"]}, "));
  EXPECT_LT(compiled->size_bytes(), size_t{4} << 20);
}

TEST(GrammarMatcher, MovesOnWhenWhatIsKnownHasGrownTooLarge) {
  const auto compiled = grammar(Kind::kJson, "true");
  GrammarMatcher matcher(compiled), other(compiled);
  ASSERT_TRUE(other.accept_text("[[\"x\", "));
  // Each level of nesting is a frame of its own.
  for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(matcher.accept_text("[{\"a\": "));
  EXPECT_LT(compiled->size_bytes(), size_t{128} << 20);
  ASSERT_TRUE(matcher.accept_text("1"));
  for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(matcher.accept_text("}]"));
  EXPECT_TRUE(matcher.may_end());
  ASSERT_TRUE(other.accept_text("1]]"));
  EXPECT_TRUE(other.may_end());
}

TEST(GrammarMatcher, SaysWhenAmbiguityExplodes) {
  // Every split of the letters into words is another place: as many as there are letters, squared.
  GrammarMatcher matcher(grammar(Kind::kRegex, "((a{1,1000}){1,1000}b){1,9}"));
  bool failed = false;
  for (int i = 0; i < 900 && !failed; ++i) failed = !matcher.accept_text("aaaa");
  const auto mask = matcher.mask();
  EXPECT_THAT(mask ? "2048 places" : mask.error().message(), HasSubstr("2048 places"));
  EXPECT_TRUE(failed || mask);
}

TEST(StructuralTag, TriggersBeginPartsWithAGrammar) {
  const Program program = compiled(Kind::kStructuralTag, examples().back().source);
  EXPECT_TRUE(takes(program, "just text"));
  EXPECT_TRUE(takes(program, "text <to <tool>{\"a\": 1}</tool> and <tool>{}</tool>"));
  EXPECT_FALSE(takes(program, "text <tool>[]</tool>"));
  EXPECT_FALSE(takes(program, "text <tool>{}"));
}

TEST(StructuralTag, OlderFormOneTagAndSeparatedTags) {
  const Program older = compiled(Kind::kStructuralTag, R"({"triggers": ["<f="], "structures": [
      {"begin": "<f=a>", "schema": {"type": "integer"}, "end": "</f>"},
      {"begin": "<f=b>", "schema": {"type": "null"}, "end": "</f>"}]})");
  EXPECT_TRUE(takes(older, "x<f=a>12</f><f=b>null</f>y"));
  EXPECT_FALSE(takes(older, "x<f=a>null</f>"));
  EXPECT_FALSE(takes(older, "<f=c>"));
  const Program listed = compiled(Kind::kStructuralTag, R"x({"type": "tags_with_separator",
      "separator": ",", "at_least_one": true, "tags": [{"type": "tag", "begin": "(", "content":
      {"type": "any_text"}, "end": ")"}]})x");
  EXPECT_TRUE(takes(listed, "(a),(b c)"));
  EXPECT_FALSE(takes(listed, ""));
  EXPECT_FALSE(takes(listed, "(a)(b)"));
  const Program required = compiled(Kind::kStructuralTag, R"({"type": "triggered_tags",
      "triggers": ["<"], "at_least_one": true, "stop_after_first": true, "tags": [{"type": "tag",
      "begin": "<x>", "content": {"type": "regex", "pattern": "[0-9]+"}, "end": "</x>"}]})");
  EXPECT_TRUE(takes(required, "so: <x>5</x>"));
  EXPECT_FALSE(takes(required, "so"));
  EXPECT_FALSE(takes(required, "<x>5</x>."));
  EXPECT_THAT(refusal(Kind::kStructuralTag, R"({"type": "nonsense"})"), HasSubstr("not known"));
}

TEST(GrammarStore, CompilesOnceAndForgetsTheLeastUsed) {
  GrammarStore store(tokenizer(), tokenizer().vocab_size(), 2'000'000);
  const StructuredOutput wish{.kind = Kind::kRegex, .text = "[a-z]+"};
  const auto first = store.get(wish);
  ASSERT_TRUE(first);
  EXPECT_EQ(*store.get(wish), *first);
  EXPECT_EQ(store.counts().compiled, 1);
  EXPECT_EQ(store.counts().reused, 1);
  for (int i = 0; i < 2000; ++i) {
    ASSERT_TRUE(store.get({.kind = Kind::kRegex, .text = "x{" + std::to_string(i) + "}"}));
  }
  EXPECT_NE(*store.get(wish), *first);
}

}  // namespace
}  // namespace autoglm::grammar
