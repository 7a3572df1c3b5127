// The dialect's differences, and hostile patterns.
#include "text/tokenizer/regex.h"

#include <gmock/gmock.h>

#include "text/tokenizer/linear_pattern.h"
#include "text/tokenizer/oniguruma.h"
#include "text/tokenizer/patterns.h"

namespace autoglm {
namespace {

// tiktoken's, as its library has it today.
constexpr std::string_view kCl100kPattern =
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)";

std::vector<std::string> matches(std::string_view pattern, std::string_view text) {
  const Result<Regex> regex = Regex::compile(pattern, "test", RegexDialect::kOniguruma);
  EXPECT_TRUE(regex) << regex.error().message();
  std::vector<Span> spans;
  TextWork work(text.size());
  EXPECT_TRUE(regex->find_all(text, spans, work));
  std::vector<std::string> out;
  for (const Span& span : spans) out.emplace_back(span.of(text));
  return out;
}

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Regex, ReadsOnigurumasDialect) {
  EXPECT_THAT(matches(R"(\p{N}{1,3}+)", "1234567"), ElementsAre("1234567"));  // not possessive
  EXPECT_THAT(matches("^b", "a\nb"), ElementsAre("b"));                       // lines by default
  EXPECT_THAT(matches(R"(\h+)", "xfaceg"), ElementsAre("face"));
  EXPECT_THAT(matches("[a-z&&[^b]]+", "abc"), ElementsAre("a", "c"));
  EXPECT_THAT(matches("[a[bc]]+", "xabcx"), ElementsAre("abc"));
  EXPECT_THAT(matches("[[:punct:]]", "a$b"), ElementsAre("$"));
  EXPECT_THAT(matches(R"(\s)", "a\u180E\u3000"), ElementsAre("\u3000"));
  EXPECT_THAT(matches(R"(\w+)", "a‿b²-c"), ElementsAre("a‿b²", "c"));
  EXPECT_THAT(matches(R"(\p{Word}+)", "a-b"), ElementsAre("a", "b"));
  EXPECT_THAT(matches(R"([\W]+)", "a²-b"), ElementsAre("²-"));
  EXPECT_THAT(matches("(?m:a.b)", "a\nb"), ElementsAre("a\nb"));
  EXPECT_THAT(matches("(?i:'s|'LL)", "it'S we'll"), ElementsAre("'S", "'ll"));
  EXPECT_THAT(matches(R"(\p{Han}+)", "你好。"), ElementsAre("你好"));
  EXPECT_THAT(matches(R"(\p{L})", "\U00031350"), ElementsAre("\U00031350"));  // Unicode 15
  EXPECT_THAT(matches(R"([^\S\n]+)", " \t\n x"), ElementsAre(" \t", " "));
  EXPECT_THAT(matches(R"([\s-x]+)", "a-x b"), ElementsAre("-x "));
}

TEST(Regex, TakesEmptyMatchesAsTheReferenceDoes) {
  EXPECT_THAT(matches("x*", "axb"), ElementsAre("", "x", ""));
  EXPECT_THAT(matches("", ""), ElementsAre(""));
  EXPECT_THAT(matches("b", ""), IsEmpty());
}

TEST(Regex, GivesUpOnCatastrophicBacktracking) {
  const auto regex = Regex::compile("(a+)+$", "model.json", RegexDialect::kOniguruma);
  ASSERT_TRUE(regex);
  std::vector<Span> spans;
  std::string text(5000, 'a');
  text += 'b';
  TextWork work(text.size() * 10'000);
  const Result<void> found = regex->find_all(text, spans, work);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().where, "model.json");
  EXPECT_EQ(found.error().what, "regular expression gives up on this text");
}

// Each stays below the limit of one match; over the whole text, or over all its matches, they
// don't.
TEST(Regex, ChargesWorkThatGrowsFasterThanTheText) {
  for (const char* pattern :
       {"a*[bc]", "a*a*[bc]", "(?:a|aa)+[bc]", "(?=(a*))a(?!\\1)b", "(a?){30}a{30}c",
        "(?=(?:a|a)*+c)a|a(?=a{0,1000}?a{0,1000}?c)", "(?<=a*?a)b|\\b\\Bx"}) {
    const auto regex = Regex::compile(pattern, "model.json", RegexDialect::kOniguruma);
    if (!regex) continue;
    std::vector<Span> spans;
    const std::string text(200'000, 'a');
    TextWork work(text.size());
    const Result<void> found = regex->find_all(text, spans, work);
    EXPECT_FALSE(found) << pattern;
  }
}

// Logs, tables and indented code hold them; a text may be one such run, as long as texts may be.
TEST(Regex, TheExpressionsOfModelsTakeRunsOfAnyLength) {
  constexpr size_t kRun = 1 << 16;
  std::vector<std::string_view> patterns = {kGpt2Pattern, kLlama3Pattern, kQwen2Pattern,
                                            kCl100kPattern};
  for (const char* name : {"llama-bpe", "qwen2", "gpt-4o", "tekken"}) {
    const GgufPreTokenizer* known = find_gguf_pre_tokenizer(name);
    ASSERT_NE(known, nullptr) << name;
    patterns.insert(patterns.end(), known->patterns.begin(), known->patterns.end());
  }
  for (const std::string_view pattern : patterns) {
    const auto regex = Regex::compile(pattern, "test", RegexDialect::kOniguruma);
    ASSERT_TRUE(regex);
    for (const char* piece : {" ", "\t", "\n", "\r\n", " \n", "\u3000", "-", "a", "A", "1", "'"}) {
      std::string run;
      while (run.size() < kRun) run += piece;
      for (const std::string& text : {run, run + "x", "x" + run, run + "\n", run + "\n x" + run}) {
        std::vector<Span> spans;
        TextWork work(text.size());
        const Result<void> found = regex->find_all(text, spans, work);
        ASSERT_TRUE(found) << pattern << " on a run of \"" << piece
                           << "\": " << found.error().message();
      }
    }
  }
}

TEST(Regex, ALongRunIsCutAsAShortOneIs) {
  for (const std::string_view pattern : {kGpt2Pattern, kLlama3Pattern, kQwen2Pattern}) {
    for (const char* piece : {" ", "\t", "\n", " \n", "\u3000"}) {
      const auto cut = [&](size_t n) {
        std::string text = "a";
        for (size_t i = 0; i < n; ++i) text += piece;
        std::vector<std::string> parts = matches(pattern, text + "b  c");
        for (std::string& part : parts) {
          if (part.size() > 100) part = "run that ends with " + part.substr(part.size() - 1);
        }
        return parts;
      };
      EXPECT_EQ(cut(200), cut(50'000)) << pattern << " on " << piece;
    }
  }
}

TEST(Regex, FindsTheSameHoweverFarApartTheMatchesAre) {
  std::string text;
  std::vector<std::string> expected;
  for (size_t gap = 0; gap < 3000; gap += 7) {
    text +=
        std::string(gap, gap % 2 == 0 ? ' ' : '.') + "\u4f60\u597d" + std::string(gap % 300, 'x');
    expected.push_back("\u597d" + std::string(gap % 300, 'x'));
  }
  EXPECT_EQ(matches("(?<=\u4f60)\u597d(?:x|y)*", text), expected);
}

TEST(Regex, NamesWhatDoesNotCompile) {
  for (const char* pattern : {"(", "[a", "a\\", "[z-a]", "(?<n>", "\\p{NoSuchProperty}"}) {
    const auto regex = Regex::compile(pattern, "model.json", RegexDialect::kOniguruma);
    ASSERT_FALSE(regex) << pattern;
    EXPECT_EQ(regex.error().where, "model.json");
  }
  EXPECT_FALSE(Regex::compile(std::string(1 << 17, 'a'), "x", RegexDialect::kOniguruma));
}

TEST(LinearPattern, KnowsTheExpressionsOfModelsAndPromisesNothingElse) {
  const auto looks = [](std::string_view pattern) {
    return looks_at_a_character(oniguruma_to_pcre(pattern, "test").value());
  };
  for (const std::string_view pattern :
       {kGpt2Pattern, kLlama3Pattern, kQwen2Pattern, std::string_view(R"(\s+(?!\S)|\s+)"),
        std::string_view(R"(\s*[\r\n]+)"), std::string_view("a*b*"), std::string_view("a+?b"),
        std::string_view("a*(?:b|cd)?"), std::string_view("")}) {
    const std::optional<size_t> found = looks(pattern);
    ASSERT_TRUE(found) << pattern;
    EXPECT_LT(*found, 100u) << pattern;
  }
  for (const char* pattern : {"a*a*b",
                              "a*a*$",
                              "a*+a*+b",
                              "a*?b*c",
                              "(?:a+)+",
                              "(?:a|b)*",
                              "(a)",
                              "(a)\\1",
                              "(?:a*b)c",
                              "(?:a*)*",
                              "(?=a*)b",
                              "(?<=a)b",
                              "(?>a*)b",
                              "a{0,1000}b",
                              "(?:aa){2}",
                              "\\b",
                              "^a",
                              "[a[:alpha:]]*",
                              "a{1,16}b{1,16}c{1,16}d{1,16}e",
                              "(?:a?){9}b"}) {
    EXPECT_FALSE(looks_at_a_character(pattern)) << pattern;
  }
}

}  // namespace
}  // namespace autoglm
