// A trained model end to end through the executor.
#include <gtest/gtest.h>

#include "base/json.h"
#include "goldens/run_model.h"
#include "support/shared_data.h"

namespace autoglm {
namespace {

TEST(Stories260K, ContinuesTheEmptyPromptWithTheExpectedIds) {
  const auto folder = shared_data("weights/stories260K");
  if (!folder) GTEST_SKIP() << kNoSharedData;
  const auto expected = json::parse_file(*folder + "/expected_greedy.json");
  ASSERT_TRUE(expected) << expected.error().message();
  std::vector<TokenId> ids;
  for (const json::value& id : expected->at("greedy_ids").as_array()) {
    ids.push_back(static_cast<TokenId>(id.as_int64()));
  }
  ASSERT_EQ(ids.size(), 64U);

  auto model = RunModel::load(*folder + "/hf");
  ASSERT_TRUE(model) << model.error().message();
  RunModel::Sequence sequence;
  const TokenId start{1};
  model->feed(sequence, {&start, 1});
  EXPECT_EQ(model->greedy(sequence, 64), ids);
}

}  // namespace
}  // namespace autoglm
