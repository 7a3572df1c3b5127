// tokenizer.json as a whole; its components have goldens in tests/tokenizer.
#include "text/tokenizer/tokenizer_json.h"

#include <gmock/gmock.h>

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

}  // namespace
}  // namespace autoglm
