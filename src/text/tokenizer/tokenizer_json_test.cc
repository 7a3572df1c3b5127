// tokenizer.json as a whole; its components have goldens in tests/tokenizer.
#include "text/tokenizer/tokenizer_json.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "support/shared_data.h"
#include "text/tokenizer.h"

namespace autoglm {
namespace {

using ::testing::ElementsAreArray;

std::vector<int32_t> numbers(const std::vector<TokenId>& ids) {
  std::vector<int32_t> out;
  for (const TokenId id : ids) out.push_back(static_cast<int32_t>(id));
  return out;
}

TEST(TokenizerJson, EncodesAndDecodesWithTheVocabularyOfATrainedModel) {
  const auto path = shared_data("weights/stories260K/hf");
  if (!path) GTEST_SKIP() << kNoSharedData;
  const auto tokenizer = Tokenizer::from_directory(*path);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message();
  const auto ids = (*tokenizer)->encode("Once upon a time, 你好 \n <s>x");
  ASSERT_TRUE(ids);
  EXPECT_THAT(numbers(*ids), ElementsAreArray({1, 403, 407, 261, 378, 432, 410, 231, 192, 163, 232,
                                               168, 192, 410, 13, 410, 1, 410, 444}));
  EXPECT_EQ((*tokenizer)->decode(*ids, false).value(), "<s> Once upon a time, 你好 \n <s> x");
  EXPECT_EQ((*tokenizer)->bos(), TokenId{1});
  EXPECT_EQ((*tokenizer)->eos(), TokenId{2});
}

constexpr std::string_view kSmall = R"({
  "model": {"type": "BPE", "vocab": {"a": 0, "aa": 1, "aaaa": 2, "<unk>": 3, "<0xE4>": 4, "<0xBD>": 5,
    "<0xA0>": 6, "<0xF0>": 7, "b": 8}, "merges": ["a a", "aa aa"], "unk_token": "<unk>",
    "byte_fallback": true},
  "added_tokens": [{"id": 9, "content": "<s>", "special": true}],
  "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]}})";

Result<std::unique_ptr<Tokenizer>> read(std::string_view text, const TokenizerConfig& config = {}) {
  const json::value document = AGLM_TRY(json::parse(text, "tokenizer.json"));
  return read_tokenizer_json(document, "tokenizer.json", config);
}

std::string replaced(std::string_view from, std::string_view to) {
  std::string text(kSmall);
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos);
  return text.replace(at, from.size(), to);
}

// Ids of transformers 5.23.
TEST(TokenizerJson, AddsTheTokensThatOnlyTheConfigurationNames) {
  TokenizerConfig config;
  config.bos = "<s>";
  config.unknown = "<unk>";
  config.padding = "<pad>";
  config.added = {{30, {.content = "<late>"}}, {9, {.content = "<s>", .special = true}}};
  config.special = {"<one>", "aa", "<s>", "<two>"};
  const auto tokenizer = read(kSmall, config);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message();
  const auto ids = [&](std::string_view text) {
    return numbers((*tokenizer)->encode(text).value());
  };
  EXPECT_THAT(ids("<one>a<two>"), ElementsAreArray({12, 0, 13}));
  EXPECT_THAT(ids("<late><pad><s>b"), ElementsAreArray({10, 11, 9, 8}));
  EXPECT_THAT(ids("aab aaaa"), ElementsAreArray({1, 8, 3, 1, 1}));
  EXPECT_THAT(ids("<unk>a"), ElementsAreArray({3, 0}));
  EXPECT_TRUE((*tokenizer)->is_special(TokenId{12}));
  EXPECT_FALSE((*tokenizer)->is_special(TokenId{10}));
  EXPECT_EQ((*tokenizer)->vocab_size(), 14);
}

TEST(TokenizerJson, ReadsExtraSpecialTokensAsAListAndByName) {
  const std::string folder = testing::TempDir() + "autoglm-special-" + std::to_string(::getpid());
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/tokenizer.json") << kSmall;
  for (const char* extra :
       {R"(["<one>", {"content": "<two>"}])", R"({"x": "<one>", "y": "<two>"})"}) {
    std::ofstream(folder + "/tokenizer_config.json")
        << R"({"extra_special_tokens": )" << extra << "}";
    const auto tokenizer = Tokenizer::from_directory(folder);
    ASSERT_TRUE(tokenizer) << tokenizer.error().message();
    EXPECT_EQ((*tokenizer)->token_id("<one>"), TokenId{10});
    EXPECT_EQ((*tokenizer)->token_id("<two>"), TokenId{11});
  }
  std::ofstream(folder + "/tokenizer_config.json") << R"({"extra_special_tokens": [7]})";
  EXPECT_FALSE(Tokenizer::from_directory(folder));
  std::filesystem::remove_all(folder);
}

TEST(TokenizerJson, MergesAWordOfAMegabyteInLessThanQuadraticTime) {
  const auto tokenizer = read(kSmall);
  ASSERT_TRUE(tokenizer);
  // Quadratic work would take hours; this takes a fraction of a second.
  const auto ids = (*tokenizer)->encode(std::string(size_t{1} << 20, 'a'));
  ASSERT_TRUE(ids);
  EXPECT_EQ(ids->size(), size_t{1} << 18);
  EXPECT_EQ(ids->front(), TokenId{2});
}

TEST(TokenizerJson, ShortAndLongWordsMergeAlike) {
  const auto tokenizer = read(kSmall);
  ASSERT_TRUE(tokenizer);
  for (size_t n = 1; n < 200; ++n) {
    const auto ids = (*tokenizer)->encode(std::string(n, 'a') + "b");
    ASSERT_TRUE(ids);
    // Pairs first, from the left; then pairs of pairs.
    EXPECT_EQ(ids->size(), n / 4 + (n % 4 >= 2) + n % 2 + 1) << n;
  }
}

TEST(TokenizerJson, InvalidUtf8IsReadAsReplacementCharacters) {
  const auto tokenizer = read(kSmall);
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(numbers((*tokenizer)->encode("a\xFFz").value()),
            numbers((*tokenizer)->encode("a\uFFFDz").value()));
}

TEST(TokenizerJson, SpecialTokensInTextAreTextWhenAskedSo) {
  const auto tokenizer = read(kSmall);
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(numbers((*tokenizer)->encode("a<s>b").value()), (std::vector<int32_t>{0, 9, 8}));
  EXPECT_EQ(numbers((*tokenizer)->encode("a<s>b", {.parse_special = false}).value()),
            (std::vector<int32_t>{0, 3, 3, 3, 8}));
  EXPECT_TRUE((*tokenizer)->is_special(TokenId{9}));
}

TEST(TokenizerJson, IdsOutOfRangeAreErrors) {
  const auto tokenizer = read(kSmall);
  ASSERT_TRUE(tokenizer);
  for (const int32_t id : {-1, 10, 2147483647}) {
    const std::vector<TokenId> ids{TokenId{id}};
    const Result<std::string> text = (*tokenizer)->decode(ids, false);
    ASSERT_FALSE(text);
    EXPECT_EQ(text.error().found, std::to_string(id));
  }
}

TEST(TokenizerJson, RefusesWhatItCannotReadAndNamesIt) {
  const std::array<std::pair<std::string, std::string_view>, 9> cases = {{
      {replaced("\"BPE\"", "\"Magic\""), "Magic"},
      {replaced("\"ByteFallback\"", "\"Magic\""), "Magic"},
      {replaced("\"a\": 0", "\"a\": -1"), "-1"},
      {replaced("\"a\": 0", "\"a\": 99999999999"), "99999999999"},
      {replaced("\"a\": 0", "\"a\": \"0\""), "integer id"},
      {replaced("\"a a\"", "\"a x\""), "merges[0]"},
      {replaced("\"a a\"", "\"aa\""), "merges[0]"},
      {replaced("\"id\": 9", "\"id\": -9"), "added_tokens[0]"},
      {replaced("\"decoder\"", "\"normalizer\": {\"type\": \"Magic\"}, \"decoder\""), "Magic"},
  }};
  for (const auto& [document, expected] : cases) {
    const auto tokenizer = read(document);
    ASSERT_FALSE(tokenizer) << document;
    EXPECT_THAT(tokenizer.error().message(), ::testing::HasSubstr(expected));
    EXPECT_THAT(tokenizer.error().message(), ::testing::HasSubstr("tokenizer.json"));
  }
}

TEST(StreamDecoder, NeverEmitsHalfACharacter) {
  const auto tokenizer = read(kSmall);
  ASSERT_TRUE(tokenizer);
  StreamDecoder stream(**tokenizer, false);
  EXPECT_EQ(stream.push(TokenId{0}), "a");
  EXPECT_EQ(stream.push(TokenId{4}), "");
  EXPECT_EQ(stream.push(TokenId{5}), "");
  EXPECT_EQ(stream.push(TokenId{6}), "");
  EXPECT_EQ(stream.push(TokenId{8}), "\u4F60b");
  EXPECT_EQ(stream.push(TokenId{7}), "");
  EXPECT_EQ(stream.finish(), "\uFFFD");
}

TEST(StreamDecoder, KeepsTheSpaceOfAFirstTokenThatFollowsAPrompt) {
  const auto tokenizer = read(R"({
    "model": {"type": "BPE", "vocab": {"▁a": 0, "b": 1}, "merges": []},
    "added_tokens": [{"id": 2, "content": "<s>", "special": true}],
    "decoder": {"type": "Sequence", "decoders": [
      {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "Fuse"},
      {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}})");
  ASSERT_TRUE(tokenizer);
  const auto first = [&](const std::vector<TokenId>& before) {
    StreamDecoder stream(**tokenizer, true);
    stream.follow(before);
    std::string text = stream.push(TokenId{0});
    text += stream.push(TokenId{0});
    return text;
  };
  EXPECT_EQ(first({}), "a a");
  EXPECT_EQ(first({TokenId{2}}), "a a");  // a special token is no text
  EXPECT_EQ(first({TokenId{2}, TokenId{0}}), " a a");
  EXPECT_EQ(first(std::vector<TokenId>(1000, TokenId{1})), " a a");
}

TEST(StreamDecoder, GivesACharacterWholeThatThePromptBegan) {
  const auto tokenizer = read(kSmall);
  ASSERT_TRUE(tokenizer);
  StreamDecoder stream(**tokenizer, false);
  const std::vector<TokenId> prompt = {TokenId{0}, TokenId{4}, TokenId{5}};
  stream.follow(prompt);
  EXPECT_EQ(stream.push(TokenId{6}), "");
  EXPECT_EQ(stream.push(TokenId{8}), "\u4F60b");
}

TEST(StreamDecoder, GivesInAllWhatDecodeGivesForAnyIds) {
  const auto tokenizer = read(kSmall);
  ASSERT_TRUE(tokenizer);
  uint32_t random = 1;
  for (int round = 0; round < 500; ++round) {
    std::vector<TokenId> ids;
    StreamDecoder stream(**tokenizer, round % 2 == 0);
    std::string streamed;
    for (int i = 0; i < 40; ++i) {
      random = random * 1664525 + 1013904223;
      ids.push_back(TokenId{static_cast<int32_t>(random >> 16) % 10});
      streamed += stream.push(ids.back());
    }
    streamed += stream.finish();
    EXPECT_EQ(streamed, (*tokenizer)->decode(ids, round % 2 == 0).value());
  }
}

}  // namespace
}  // namespace autoglm
