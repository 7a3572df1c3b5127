#include "runtime/model_defaults.h"

#include <gtest/gtest.h>

#include "engine/testing/fakes.h"
#include "text/tokenizer/turn_ends.h"

namespace autoglm {
namespace {

class FakeCheckpoint : public Checkpoint {
 public:
  FakeCheckpoint(std::string_view config, std::string_view generation)
      : config_(boost::json::parse(std::string(config)).as_object()),
        generation_(boost::json::parse(std::string(generation)).as_object()) {}
  Kind kind() const override { return Kind::kHuggingFace; }
  const std::string& path() const override { return path_; }
  const json::object& config() const override { return config_; }
  const json::object& generation_config() const override { return generation_; }
  const std::vector<StoredTensor>& tensors() const override { return tensors_; }
  std::vector<const MappedFile*> weight_files() const override { return {}; }

 private:
  std::string path_ = "model";
  json::object config_, generation_;
  std::vector<StoredTensor> tensors_;
};

class TokenizerWithEnd : public FakeTokenizer {
 public:
  TokenizerWithEnd() : FakeTokenizer(26) {}
  std::optional<TokenId> eos() const override { return TokenId{3}; }
};

std::vector<int32_t> ends(std::string_view config, std::string_view generation) {
  const auto end = end_of_sequence(FakeCheckpoint(config, generation), TokenizerWithEnd(), 26);
  EXPECT_TRUE(end) << end.error().message();
  EXPECT_EQ(end->own, TokenId{3});
  std::vector<int32_t> ids;
  for (const TokenId id : end->all) ids.push_back(static_cast<int32_t>(id));
  return ids;
}

TEST(ModelDefaults, EndsComeFromTheGenerationConfigOrElseTheConfigAndTheTokenizer) {
  EXPECT_EQ(ends(R"({"eos_token_id": 7})", R"({"eos_token_id": [8, 9, 8]})"),
            (std::vector<int32_t>{8, 9, 3}));
  EXPECT_EQ(ends(R"({"eos_token_id": 7})", "{}"), (std::vector<int32_t>{7, 3}));
  EXPECT_EQ(ends(R"({"eos_token_id": null})", R"({"eos_token_id": 3})"), (std::vector<int32_t>{3}));
}

// The custom code of ChatGLM3 stops at roles that no configuration names; and so for every family:
// whatever the checkpoint is, and whatever type it gives the token.
TEST(ModelDefaults, TokensThatEndATurnAreKnownByTheirSpelling) {
  for (const std::string_view spelling : kTurnEnds) {
    class Spelled : public FakeTokenizer {
     public:
      explicit Spelled(std::string_view spelling) : FakeTokenizer(26), spelling_(spelling) {}
      std::optional<TokenId> token_id(std::string_view text) const override {
        if (text == spelling_) return TokenId{5};
        return FakeTokenizer::token_id(text);
      }

     private:
      std::string_view spelling_;
    };
    const auto end =
        end_of_sequence(FakeCheckpoint(R"({"eos_token_id": 2})", "{}"), Spelled(spelling), 26);
    ASSERT_TRUE(end) << end.error().message();
    EXPECT_EQ(end->all, (std::vector<TokenId>{TokenId{2}, TokenId{5}})) << spelling;
    // Beyond the model's vocabulary it can never be written.
    EXPECT_EQ(end_of_sequence(FakeCheckpoint("{}", "{}"), Spelled(spelling), 5)->all.size(), 0U);
  }
}

TEST(ModelDefaults, EndsThatAreNoTokensAreLeftOut) {
  EXPECT_EQ(ends("{}", R"({"eos_token_id": -1})"), (std::vector<int32_t>{3}));
  EXPECT_EQ(ends("{}", R"({"eos_token_id": 99999})"), (std::vector<int32_t>{3}));
  EXPECT_EQ(ends("{}", R"({"eos_token_id": [7, 26, 8]})"), (std::vector<int32_t>{7, 8, 3}));
}

TEST(ModelDefaults, RefusesEndsOfTheWrongKind) {
  for (const char* ids : {"\"7\"", "[7, null]", "1.5", "{}"}) {
    const std::string generation = R"({"eos_token_id": )" + std::string(ids) + "}";
    const auto end = end_of_sequence(FakeCheckpoint("{}", generation), TokenizerWithEnd(), 26);
    ASSERT_FALSE(end) << ids;
    EXPECT_NE(end.error().message().find("eos_token_id"), std::string::npos);
  }
}

TEST(ModelDefaults, SamplingTakesWhatTheFileSays) {
  const auto params =
      default_sampling(FakeCheckpoint("{}", R"({"temperature": 0.8, "top_p": 0.7, "top_k": 20,
                               "repetition_penalty": 1.05, "do_sample": true})"),
                       26);
  ASSERT_TRUE(params);
  EXPECT_EQ(params->temperature, 0.8);
  EXPECT_EQ(params->top_p, 0.7);
  EXPECT_EQ(params->top_k, 20);
  EXPECT_EQ(params->repetition_penalty, 1.05);
  EXPECT_EQ(default_sampling(FakeCheckpoint("{}", "{}"), 26)->temperature, 1.0);
  EXPECT_EQ(default_sampling(FakeCheckpoint("{}", R"({"do_sample": false})"), 26)->temperature, 0);
}

TEST(ModelDefaults, RefusesSamplingOutOfRange) {
  for (const char* text : {R"({"top_p": 1.5})", R"({"temperature": -1})", R"({"top_k": -9})",
                           R"({"repetition_penalty": 0})", R"({"temperature": "hot"})"}) {
    EXPECT_FALSE(default_sampling(FakeCheckpoint("{}", text), 26)) << text;
  }
}

}  // namespace
}  // namespace autoglm
