// Vocabularies of a model and its draft model.
#include "runtime/load_tokenizer.h"

#include <gtest/gtest.h>

#include "engine/testing/fakes.h"

namespace autoglm {
namespace {

class OtherAt : public FakeTokenizer {
 public:
  OtherAt(int32_t vocab_size, int32_t id) : FakeTokenizer(vocab_size), id_(id) {}
  std::string token_spelling(TokenId id) const override {
    return id == TokenId{id_} ? "other" : FakeTokenizer::token_spelling(id);
  }

 private:
  int32_t id_;
};

TEST(SameVocabulary, NamesTheFirstTokenThatDiffers) {
  const FakeTokenizer target(10);
  EXPECT_TRUE(check_same_vocabulary(target, FakeTokenizer(10), "draft"));
  const auto spelled = check_same_vocabulary(target, OtherAt(10, 3), "draft");
  ASSERT_FALSE(spelled);
  EXPECT_EQ(
      spelled.error().message(),
      "draft: token 3: the draft model's vocabulary is not the model's (expected \"d\", found "
      "\"other\")");
  const auto shorter = check_same_vocabulary(target, FakeTokenizer(8), "draft");
  ASSERT_FALSE(shorter);
  EXPECT_EQ(shorter.error().where, "draft: token 8");
  EXPECT_EQ(shorter.error().found, "no such token");
}

}  // namespace
}  // namespace autoglm
