// Frequencies of every rope variant against numbers that transformers 5.23 prints for the same
// parameters (head of 8 dimensions, theta 10000).
#include "models/rope_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace autoglm {
namespace {

RopeConfig read(const json::object& config,
                RopeShape shape = {.head_dim = 8, .max_position_embeddings = 512}) {
  ConfigReader reader(config, "config.json");
  auto rope = read_rope(reader, shape);
  EXPECT_TRUE(rope) << rope.error().message();
  return rope ? *rope : RopeConfig{};
}

void expect_frequencies(const RopeConfig& rope, const std::vector<double>& expected) {
  ASSERT_EQ(rope.rope.inverse_frequencies.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(rope.rope.inverse_frequencies[i], expected[i], 2e-7 * expected[i]) << i;
  }
}

TEST(RopeConfig, LinearAgreesWithTheReference) {
  const RopeConfig rope = read({{"rope_scaling", {{"rope_type", "linear"}, {"factor", 4.0}}}});
  expect_frequencies(rope, {0.25, 0.0250000004, 0.00249999994, 0.000250000012});
  EXPECT_NEAR(rope.rope.attention_factor, 1, 1e-9);
}

TEST(RopeConfig, Llama3AgreesWithTheReference) {
  const RopeConfig rope = read({{"rope_scaling",
                                 {{"rope_type", "llama3"},
                                  {"factor", 8.0},
                                  {"low_freq_factor", 1.0},
                                  {"high_freq_factor", 4.0},
                                  {"original_max_position_embeddings", 64}}}});
  expect_frequencies(rope, {1, 0.0130422562, 0.00124999997, 0.000125000006});
  EXPECT_NEAR(rope.rope.attention_factor, 1, 1e-9);
}

TEST(RopeConfig, YarnAgreesWithTheReference) {
  const RopeConfig rope = read({{"rope_scaling",
                                 {{"rope_type", "yarn"},
                                  {"factor", 4.0},
                                  {"original_max_position_embeddings", 64},
                                  {"beta_fast", 8.0}}}});
  expect_frequencies(rope, {1, 0.0625, 0.00249999994, 0.000250000012});
  EXPECT_NEAR(rope.rope.attention_factor, 1.13862943611, 1e-9);
}

TEST(RopeConfig, YarnWithMscaleAndNoTruncationAgreesWithTheReference) {
  const RopeConfig rope = read({{"rope_scaling",
                                 {{"rope_type", "yarn"},
                                  {"factor", 4.0},
                                  {"original_max_position_embeddings", 256},
                                  {"mscale", 0.7},
                                  {"mscale_all_dim", 0.9},
                                  {"truncate", false}}}});
  expect_frequencies(rope, {1, 0.0553986356, 0.00249999994, 0.000250000012});
  EXPECT_NEAR(rope.rope.attention_factor, 0.975349650432, 1e-9);
}

TEST(RopeConfig, ReadsTheOldKeysAndTheNewAlike) {
  const RopeConfig old = read({{"rope_theta", 500.0},
                               {"partial_rotary_factor", 0.5},
                               {"rope_scaling", {{"type", "linear"}, {"factor", 2.0}}}});
  const RopeConfig now = read({{"rope_parameters",
                                {{"rope_type", "linear"},
                                 {"factor", 2.0},
                                 {"rope_theta", 500.0},
                                 {"partial_rotary_factor", 0.5}}}});
  EXPECT_EQ(old.rope.inverse_frequencies, now.rope.inverse_frequencies);
  EXPECT_EQ(old.rope.inverse_frequencies.size(), 2U);
}

// One row a rope variant: the context that its configuration promises, of 512 positions as trained.
TEST(RopeConfig, EveryVariantPromisesTheContextThatItIsDocumentedFor) {
  struct Row {
    json::object scaling;
    int64_t context;
  };
  const Row rows[] = {
      {{{"rope_type", "default"}}, 512},
      // Vicuna and LongChat: max_position_embeddings stays what it was before stretching.
      {{{"rope_type", "linear"}, {"factor", 4.0}}, 2048},
      {{{"type", "linear"}, {"factor", 2.5}}, 1280},
      {{{"rope_type", "linear"}, {"factor", 0.5}}, 512},
      {{{"rope_type", "dynamic"}, {"factor", 4.0}}, 512},
      // Qwen2.5's card: the original length is max_position_embeddings.
      {{{"type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 512}}, 2048},
      {{{"rope_type", "yarn"}, {"factor", 4.0}}, 2048},
      // DeepSeek's way: max_position_embeddings is the stretched length already.
      {{{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 128}}, 512},
      // Qwen3's card: 40960 positions, of which 32768 are the original ones.
      {{{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 400}}, 1600},
      {{{"rope_type", "yarn"}, {"factor", 2.0}, {"original_max_position_embeddings", 128}}, 512},
      // Llama 3.1: max_position_embeddings counts the scaling.
      {{{"rope_type", "llama3"},
        {"factor", 8.0},
        {"low_freq_factor", 1.0},
        {"high_freq_factor", 4.0},
        {"original_max_position_embeddings", 64}},
       512}};
  for (const Row& row : rows) {
    for (const char* key : {"rope_scaling", "rope_parameters"}) {
      EXPECT_EQ(read({{key, row.scaling}}).max_context, row.context) << json::value(row.scaling);
    }
  }
}

TEST(RopeConfig, DynamicIsPlainAndEndsAtTheTrainedLength) {
  const RopeConfig dynamic = read({{"rope_scaling", {{"rope_type", "dynamic"}, {"factor", 4.0}}}});
  EXPECT_EQ(dynamic.rope.inverse_frequencies, read({}).rope.inverse_frequencies);
  EXPECT_EQ(dynamic.max_context, 512);
}

}  // namespace
}  // namespace autoglm
