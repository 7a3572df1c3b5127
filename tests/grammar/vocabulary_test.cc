// Masks over real vocabularies: the tokens that a tokenizer makes of a valid text are all allowed,
// one after the other, and a mask holds exactly the tokens that can be taken.
#include <gmock/gmock.h>

#include <filesystem>
#include <random>

#include "grammar/instances.h"
#include "runtime/load_tokenizer.h"
#include "support/shared_data.h"
#include "text/grammar/testing/grammars.h"
#include "text/grammar/testing/random_wish.h"

namespace autoglm::grammar {
namespace {

struct Model {
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<const Vocabulary> vocabulary;
};

Model open(const std::string& path) {
  auto tokenizer = load_tokenizer(path);
  EXPECT_TRUE(tokenizer) << (tokenizer ? "" : tokenizer.error().message());
  if (!tokenizer) return {};
  return {*tokenizer, Vocabulary::of(**tokenizer, (*tokenizer)->vocab_size())};
}

std::vector<TokenId> tokens_of(const Model& model, const std::string& text) {
  const auto ids =
      model.tokenizer->encode(text, {.add_special_tokens = false, .parse_special = false});
  EXPECT_TRUE(ids);
  return ids ? *ids : std::vector<TokenId>();
}

// Whether the mask at each place has the next token; compares some of it with the definition. The
// text is one of its own, as the tokenizer takes it.
bool follows(const Model& model, const std::shared_ptr<CompiledGrammar>& compiled,
             const std::string& text, std::mt19937& random) {
  GrammarMatcher matcher(compiled, true);
  for (const TokenId token : tokens_of(model, text)) {
    const auto mask = matcher.mask();
    EXPECT_TRUE(mask);
    if (!mask) return false;
    for (int i = 0; i < 50; ++i) {
      const auto other =
          static_cast<int32_t>(random() % static_cast<uint32_t>(model.tokenizer->vocab_size()));
      GrammarMatcher copy = matcher;
      EXPECT_EQ(copy.accept(TokenId{other}), (*mask)->allows(other)) << other << " in " << text;
    }
    const bool allowed = (*mask)->allows(static_cast<int32_t>(token));
    EXPECT_EQ(matcher.accept(token), allowed);
    if (!allowed) return false;
  }
  return matcher.may_end();
}

void run(const Model& model, const std::string& folder) {
  std::mt19937 random(1);
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const auto document = json::parse_file(entry.path().string());
    if (!document) continue;
    json::array groups = document->is_array() ? document->get_array() : json::array{*document};
    for (const json::value& group : groups) {
      const json::value& schema = group.at("schema");
      const auto compiled =
          compile({.kind = Kind::kJson, .text = boost::json::serialize(schema)}, model.vocabulary);
      if (!compiled) continue;
      std::vector<std::string> names;
      collect_names(schema, names);
      for (const json::value& test : group.at("tests").as_array()) {
        const std::string text = instance_text(test.at("data"), names);
        EXPECT_EQ(follows(model, *compiled, text, random), takes((*compiled)->program(), text))
            << entry.path() << ": " << text;
      }
    }
  }
}

TEST(Vocabulary, TinyGlmFollowsItsMasks) {
  run(open(source_path("models/tiny-glm")), source_path("tests/data/grammar"));
}

TEST(Vocabulary, Glm4FollowsItsMasks) {
  const auto tokenizer = shared_data("tokenizers/glm4");
  const auto folder = shared_data("structured_output/maskbench");
  if (!tokenizer || !folder) GTEST_SKIP() << kNoSharedData;
  run(open(*tokenizer), *folder);
}

// Counts of characters decide about subtrees of thousands of tokens at once.
TEST(Vocabulary, Glm4MasksOfRandomBoundedGrammarsAreExact) {
  const auto tokenizer = shared_data("tokenizers/glm4");
  if (!tokenizer) GTEST_SKIP() << kNoSharedData;
  const Model model = open(*tokenizer);
  std::mt19937 random(7);
  const auto below = [&](int32_t n) {
    return static_cast<int32_t>(random() % static_cast<uint32_t>(n));
  };
  int refused = 0;
  for (int run = 0; run < 60; ++run) {
    std::vector<uint8_t> bytes(40);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    const StructuredOutput wish = RandomWish(bytes).wish();
    const auto compiled = compile(wish, model.vocabulary);
    ASSERT_TRUE(compiled) << wish.text << ": " << compiled.error().message();
    GrammarMatcher matcher(*compiled);
    for (int step = 0; step < 5 && !matcher.must_end(); ++step) {
      const auto mask = matcher.mask();
      if (!mask) {
        // Counts of what derives the same text in many ways may take more work than a request has.
        ASSERT_EQ(mask.error().code, ErrorCode::kTooLarge) << wish.text;
        ++refused;
        break;
      }
      std::vector<TokenId> allowed;
      const int32_t first = below(model.tokenizer->vocab_size());
      for (int32_t i = 0; i < model.tokenizer->vocab_size(); ++i) {
        const int32_t id = (first + i) % model.tokenizer->vocab_size();
        const bool allows = (*mask)->allows(id);
        if (i >= 2000 && (!allows || allowed.size() >= 500)) continue;
        GrammarMatcher copy = matcher;
        ASSERT_EQ(copy.accept(TokenId{id}), allows) << wish.text << ", token " << id;
        if (allows) allowed.push_back(TokenId{id});
      }
      if (allowed.empty()) break;
      ASSERT_TRUE(matcher.accept(
          allowed[static_cast<size_t>(below(static_cast<int32_t>(allowed.size())))]));
    }
  }
  EXPECT_LT(refused, 6);
}

TEST(Vocabulary, SentencePieceFollowsItsMasks) {
  const auto tokenizer = shared_data("tokenizers/llama2");
  if (!tokenizer) GTEST_SKIP() << kNoSharedData;
  const Model model = open(*tokenizer);
  // A text of its own begins without the space that its first token has.
  ASSERT_NE(model.vocabulary->first, nullptr);
  const auto compiled =
      compile({.kind = Kind::kChoice, .choices = {"yes", "no"}}, model.vocabulary);
  ASSERT_TRUE(compiled);
  GrammarMatcher begins(*compiled, true), goes_on(*compiled, false);
  const auto spaced = model.tokenizer->token_id("\u2581yes");
  ASSERT_TRUE(spaced);
  EXPECT_TRUE(begins.accept(*spaced));
  EXPECT_TRUE(begins.may_end());
  EXPECT_FALSE(goes_on.accept(*spaced));
  run(model, source_path("tests/data/grammar"));
}

}  // namespace
}  // namespace autoglm::grammar
