// Every kind of component of tokenizer.json, chained or fed so that it hurts: the work on a text is
// charged by the byte, and ends in an error of the text where it grows faster than a real
// tokenizer's.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "text/tokenizer/tokenizer_json.h"

namespace autoglm {
namespace {

constexpr size_t kTextBytes = 20'000;
constexpr int kSteps = 2000;  // of a chain
constexpr std::string_view kWordLevel =
    R"({"type": "WordLevel", "vocab": {"<unk>": 0, "a": 1, "<0x41>": 2}, "unk_token": "<unk>"})";

Result<std::unique_ptr<Tokenizer>> read(const std::string& text) {
  const json::value document =
      AGLM_TRY(json::parse(text, "tokenizer.json", {.max_bytes = text.size()}));
  return read_tokenizer_json(document, "tokenizer.json", {});
}

std::string chain(std::string_view step, int n) {
  std::string steps;
  for (int i = 0; i < n; ++i) steps += (i > 0 ? "," : "") + std::string(step);
  return steps;
}

std::string with_part(std::string_view part, std::string_view key, const std::string& steps) {
  return fmt::format(R"({{"model": {}, "{}": {{"type": "Sequence", "{}": [{}]}}}})", kWordLevel,
                     part, key, steps);
}

std::string repeated(std::string_view unit, size_t n_bytes) {
  std::string text;
  while (text.size() < n_bytes) text += unit;
  return text;
}

void expect_exhausted(const Error& error, std::string_view what) {
  EXPECT_EQ(error.code, ErrorCode::kTooLarge) << what << ": " << error.message();
  EXPECT_TRUE(error.what == "tokenizer takes too much work on this text" ||
              error.what == "tokenizer makes this text too long")
      << what << ": " << error.message();
}

// An expression for which each place of a run of a's costs as much as what is left of it.
constexpr std::string_view kSlow = "a*a*[bc]";

TEST(TokenizerWork, EveryNormalizerIsCharged) {
  const std::vector<std::string> steps = {
      R"({"type": "NFC"})",
      R"({"type": "NFD"})",
      R"({"type": "NFKC"})",
      R"({"type": "NFKD"})",
      R"({"type": "Lowercase"})",
      R"({"type": "StripAccents"})",
      R"({"type": "Nmt"})",
      R"({"type": "ByteLevel"})",
      R"({"type": "Strip"})",
      R"({"type": "Prepend", "prepend": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"})",
      R"({"type": "Replace", "pattern": {"String": "a"}, "content": "aa"})",
      R"({"type": "Replace", "pattern": {"String": "zz"}, "content": ""})",
      R"({"type": "Replace", "pattern": {"Regex": ""}, "content": "aa"})",
      R"({"type": "BertNormalizer"})",
      R"({"type": "Precompiled"})",
      R"({"type": "Sequence", "normalizers": [{"type": "Lowercase"}]})"};
  const std::string text = repeated("aé你 ", kTextBytes);
  for (const std::string& step : steps) {
    const auto tokenizer = read(with_part("normalizer", "normalizers", chain(step, kSteps)));
    ASSERT_TRUE(tokenizer) << step << ": " << tokenizer.error().message();
    const auto ids = (*tokenizer)->encode(text);
    ASSERT_FALSE(ids) << step;
    expect_exhausted(ids.error(), step);
  }
}

TEST(TokenizerWork, EveryPreTokenizerIsCharged) {
  const std::vector<std::string> steps = {
      R"({"type": "ByteLevel"})",
      R"({"type": "Split", "pattern": {"String": "a"}, "behavior": "Isolated"})",
      R"({"type": "Split", "pattern": {"Regex": "a"}, "behavior": "MergedWithNext"})",
      R"({"type": "Metaspace"})",
      R"({"type": "Whitespace"})",
      R"({"type": "WhitespaceSplit"})",
      R"({"type": "BertPreTokenizer"})",
      R"({"type": "Digits", "individual_digits": true})",
      R"({"type": "Punctuation"})",
      R"({"type": "CharDelimiterSplit", "delimiter": "z"})",
      R"({"type": "FixedLength", "length": 1})"};
  const std::string text = repeated("aé你 ", kTextBytes);
  for (const std::string& step : steps) {
    const auto tokenizer = read(with_part("pre_tokenizer", "pretokenizers", chain(step, kSteps)));
    ASSERT_TRUE(tokenizer) << step << ": " << tokenizer.error().message();
    const auto ids = (*tokenizer)->encode(text);
    ASSERT_FALSE(ids) << step;
    expect_exhausted(ids.error(), step);
  }
}

TEST(TokenizerWork, EveryDecoderIsCharged) {
  const std::vector<std::string> steps = {
      R"({"type": "ByteLevel"})",
      R"({"type": "ByteFallback"})",
      R"({"type": "Fuse"})",
      R"({"type": "Strip", "content": "z", "start": 1, "stop": 1})",
      R"({"type": "Replace", "pattern": {"String": "a"}, "content": "aa"})",
      R"({"type": "Replace", "pattern": {"Regex": "a"}, "content": "aa"})",
      R"({"type": "Replace", "pattern": {"String": "zz"}, "content": ""})",
      R"({"type": "Metaspace"})",
      R"({"type": "WordPiece"})",
      R"({"type": "BPEDecoder"})"};
  const std::vector<TokenId> ids(kTextBytes, TokenId{1});
  for (const std::string& step : steps) {
    const auto tokenizer = read(with_part("decoder", "decoders", chain(step, kSteps)));
    ASSERT_TRUE(tokenizer) << step << ": " << tokenizer.error().message();
    const auto text = (*tokenizer)->decode(ids, false);
    ASSERT_FALSE(text) << step;
    expect_exhausted(text.error(), step);
    EXPECT_LE((*tokenizer)->token_bytes(TokenId{1}).size(), TextWork::kGrowthBeside + 64) << step;
  }
}

TEST(TokenizerWork, TwelveDecodersThatDoubleEndAtOnce) {
  const std::string step = R"({"type": "Replace", "pattern": {"String": "a"}, "content": "aaaa"})";
  const auto tokenizer = read(with_part("decoder", "decoders", chain(step, 12)));
  ASSERT_TRUE(tokenizer) << tokenizer.error().message();
  const auto text = (*tokenizer)->decode(std::vector<TokenId>(1000, TokenId{1}), false);
  ASSERT_FALSE(text);
  expect_exhausted(text.error(), step);
}

// One step is enough where an expression or a model needs more than a look at each byte.
TEST(TokenizerWork, SlowExpressionsAndModelsAreCharged) {
  const std::string letters(100'000, 'a');
  std::string unigram = R"(["<unk>", 0])";
  std::string word_piece = R"("[UNK]": 0)";
  for (int i = 1; i <= 4000; ++i) {
    unigram += fmt::format(R"(, ["{}", -1])", std::string(static_cast<size_t>(i), 'a'));
  }
  for (int i = 1; i <= 1000; ++i) {
    word_piece += fmt::format(R"(, "{}b": {})", std::string(static_cast<size_t>(i), 'a'), i);
  }
  std::string added;
  for (int i = 0; i < 1000; ++i) {
    added += fmt::format(R"({}{{"id": {}, "content": "{}b"}})", i > 0 ? ", " : "", i + 10,
                         std::string(static_cast<size_t>(i) + 20, 'a'));
  }
  const std::string words = repeated(std::string(999, 'a') + " ", 100'000);
  struct Case {
    std::string document, text;
  };
  const std::vector<Case> cases = {
      {with_part(
           "normalizer", "normalizers",
           fmt::format(R"({{"type": "Replace", "pattern": {{"Regex": "{}"}}, "content": ""}})",
                       kSlow)),
       letters},
      {with_part("pre_tokenizer", "pretokenizers",
                 fmt::format(R"({{"type": "Split", "pattern": {{"Regex": "{}"}}, "behavior": )"
                             R"("Isolated"}})",
                             kSlow)),
       letters},
      {fmt::format(R"({{"model": {{"type": "Unigram", "unk_id": 0, "vocab": [{}]}}}})", unigram),
       letters},
      {fmt::format(R"({{"model": {{"type": "WordPiece", "max_input_chars_per_word": 1000, )"
                   R"("vocab": {{{}, "a": 2000, "##a": 2001}}}}, )"
                   R"("pre_tokenizer": {{"type": "WhitespaceSplit"}}}})",
                   word_piece),
       words},
      {fmt::format(R"({{"model": {}, "added_tokens": [{}]}})", kWordLevel, added), letters}};
  for (const Case& c : cases) {
    const auto tokenizer = read(c.document);
    ASSERT_TRUE(tokenizer) << c.document.substr(0, 100) << tokenizer.error().message();
    const auto ids = (*tokenizer)->encode(c.text);
    ASSERT_FALSE(ids) << c.document.substr(0, 100);
    expect_exhausted(ids.error(), c.document.substr(0, 100));
  }
}

TEST(TokenizerWork, FramesOfManyTokensAreRefused) {
  std::string ids = "1";
  for (int i = 0; i < 5000; ++i) ids += ", 1";
  const auto tokenizer = read(
      fmt::format(R"({{"model": {}, "post_processor": {{"type": "TemplateProcessing", "single": )"
                  R"([{{"SpecialToken": {{"id": "a", "type_id": 0}}}}, {{"Sequence": {{"id": "A", )"
                  R"("type_id": 0}}}}], "special_tokens": {{"a": {{"id": "a", "ids": [{}]}}}}}}}})",
                  kWordLevel, ids));
  ASSERT_FALSE(tokenizer);
  EXPECT_EQ(tokenizer.error().what, "post-processor adds too many tokens");
}

}  // namespace
}  // namespace autoglm
