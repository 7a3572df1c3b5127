// A trained model end to end: what a reference implementation wrote for the empty prompt.
#include <gtest/gtest.h>

#include "autoglm/autoglm.h"
#include "base/json.h"
#include "support/shared_data.h"

namespace autoglm {
namespace {

TEST(Stories260K, ContinuesTheEmptyPromptAsTheReferenceDoes) {
  const auto folder = shared_data("weights/stories260K");
  if (!folder) GTEST_SKIP() << kNoSharedData;
  const auto file = json::parse_file(*folder + "/expected_greedy.json");
  ASSERT_TRUE(file) << file.error().message();
  std::vector<int32_t> expected;
  for (const auto& id : file->at("greedy_ids").as_array()) {
    expected.push_back(static_cast<int32_t>(id.as_int64()));
  }
  ASSERT_EQ(expected.size(), 64U);

  const auto model = GLMModel::from_pretrained(*folder + "/hf");
  ASSERT_TRUE(model) << model.error().message();
  const auto result = model->generate("", {.temperature = 0, .max_tokens = 64});
  ASSERT_TRUE(result) << result.error().message();
  std::vector<int32_t> ids;
  for (const TokenId id : result->choices.at(0).tokens) ids.push_back(static_cast<int32_t>(id));
  EXPECT_EQ(ids, expected);
  EXPECT_EQ(result->usage.completion_tokens, 64);
  EXPECT_EQ(result->choices[0].finish_reason, FinishReason::kLength);
  // The pieces of the stream put together are the whole answer.
  const auto whole = model->detokenize(result->choices[0].tokens, true);
  ASSERT_TRUE(whole);
  EXPECT_EQ(result->choices[0].text, *whole);
}

TEST(Stories260K, StreamsTheSameTextThatItReturns) {
  const auto path = shared_data("weights/stories260K/hf");
  if (!path) GTEST_SKIP() << kNoSharedData;
  InferenceEngine engine(*path);
  EXPECT_FALSE(engine.generate("Once"));
  ASSERT_TRUE(engine.load());
  const SamplingParams params{.temperature = 0.8, .seed = 3, .max_tokens = 40};
  const auto whole = engine.generate("Once upon a time", params);
  ASSERT_TRUE(whole) << whole.error().message();
  std::string streamed;
  int pieces = 0;
  const auto answer = engine.generate("Once upon a time", params, [&](std::string_view piece) {
    streamed += piece;
    ++pieces;
    return true;
  });
  ASSERT_TRUE(answer);
  EXPECT_EQ(streamed, *whole);
  EXPECT_EQ(*answer, *whole);
  EXPECT_GT(pieces, 1);
  const auto cut =
      engine.generate("Once upon a time", params, [&](std::string_view) { return false; });
  ASSERT_TRUE(cut);
  EXPECT_LT(cut->size(), whole->size());
  EXPECT_TRUE(whole->starts_with(*cut));
}

TEST(Stories260K, EmbedsTextsAtLengthOne) {
  const auto path = shared_data("weights/stories260K/hf");
  if (!path) GTEST_SKIP() << kNoSharedData;
  const auto model = GLMModel::from_pretrained(*path);
  ASSERT_TRUE(model) << model.error().message();
  const auto embedding = model->embed(*model->tokenize("Lily and Tom played in the park."));
  ASSERT_TRUE(embedding) << embedding.error().message();
  EXPECT_EQ(std::ssize(*embedding), model->info().hidden_size);
  double squares = 0;
  for (const float x : *embedding) squares += static_cast<double>(x) * x;
  EXPECT_NEAR(squares, 1, 1e-5);
}

}  // namespace
}  // namespace autoglm
