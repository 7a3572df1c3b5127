#include "formats/estimate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/shared_data.h"

namespace autoglm {
namespace {

using ::testing::HasSubstr;

// A checkpoint of our own making: what estimate() reads, and no file.
class InMemory final : public Checkpoint {
 public:
  Kind kind() const override { return Kind::kHuggingFace; }
  const std::string& path() const override { return path_; }
  const json::object& config() const override { return config_; }
  const json::object& generation_config() const override { return generation_config_; }
  const std::vector<StoredTensor>& tensors() const override { return tensors_; }
  std::vector<const MappedFile*> weight_files() const override { return {}; }

  void add(std::string name, DType dtype, std::vector<int64_t> shape, size_t bytes) {
    tensors_.push_back({.name = std::move(name),
                        .dtype = dtype,
                        .shape = std::move(shape),
                        .bytes = std::span(static_cast<const std::byte*>(nullptr), bytes)});
  }

  json::object config_{{"architectures", json::array{"LlamaForCausalLM"}},
                       {"num_hidden_layers", 3},
                       {"hidden_size", 64},
                       {"num_attention_heads", 4},
                       {"num_key_value_heads", 2},
                       {"vocab_size", 100},
                       {"max_position_embeddings", 8192}};

 private:
  std::string path_ = "memory";
  json::object generation_config_;
  std::vector<StoredTensor> tensors_;
};

TEST(Estimate, CountsWeightsUnderEachRule) {
  InMemory checkpoint;
  checkpoint.add("model.embed_tokens.weight", DType::kBF16, {100, 64}, 12800);
  checkpoint.add("model.layers.0.mlp.up_proj.weight", DType::kBF16, {128, 64}, 16384);
  checkpoint.add("model.norm.weight", DType::kF32, {64}, 256);
  const auto e = estimate(checkpoint);
  ASSERT_TRUE(e) << e.error().message();
  EXPECT_EQ(e->parameters, 6400 + 8192 + 64);
  EXPECT_EQ(e->by_dtype.at("BF16").tensors, 2);
  EXPECT_EQ(e->by_dtype.at("F32").bytes, 256);
  const std::vector<std::pair<std::string, int64_t>> expected{
      {"none", 12800 + 16384 + 256}, {"int8", 6400 + 8192 + 256}, {"int4", 6400 + 4608 + 256}};
  EXPECT_EQ(e->weight_bytes, expected);
  const auto other = estimate(checkpoint, {{.name = "three", .linear_bits = 3}});
  EXPECT_EQ(other->weight_bytes[0].second, 12800 + 3072 + 256);
}

TEST(Estimate, CountsBlockFormatsAsTheyAreHeld) {
  InMemory checkpoint;
  checkpoint.add("model.layers.0.mlp.up_proj.weight", DType::kQ8_0, {128, 64}, 128 * 2 * 34);
  checkpoint.add("model.layers.0.mlp.down_proj.weight", DType::kQ2_K, {64, 256}, 64 * 84);
  checkpoint.add("model.norm.weight", DType::kBF16, {64}, 128);
  // As codes, as bf16 and as f32.
  EXPECT_EQ(estimate(checkpoint)->weight_bytes[0].second, 128 * 2 * 34 + 64 * 256 * 2 + 64 * 4);
}

TEST(Estimate, CountsKeysAndValues) {
  InMemory checkpoint;
  checkpoint.add("model.norm.weight", DType::kF32, {64}, 256);
  const auto e = estimate(checkpoint);
  // 3 layers, 2 heads of 16, a key and a value.
  EXPECT_EQ(e->kv_bytes_per_token.at("f32"), 3 * 2 * 2 * 16 * 4);
  EXPECT_EQ(e->kv_bytes_per_token.at("bf16"), 3 * 2 * 2 * 16 * 2);
  EXPECT_EQ(e->kv_bytes_per_token.at("int8"), 3 * 2 * 2 * (16 + 4));
  EXPECT_EQ(e->contexts, (std::vector<int64_t>{4096, 8192}));
  EXPECT_THAT(to_text(*e), HasSubstr("3.0 MiB for 8192 tokens"));
  EXPECT_EQ(to_json(*e).at("kv_bytes").at(1).at("f32").to_number<int64_t>(), 8192 * 768);
}

TEST(Estimate, RefusesConfigurationsWithoutTheirNumbers) {
  InMemory checkpoint;
  checkpoint.add("model.norm.weight", DType::kF32, {64}, 256);
  checkpoint.config_.erase("hidden_size");
  EXPECT_THAT(estimate(checkpoint).error().message(),
              HasSubstr("memory: hidden_size: field is missing"));
  checkpoint.config_["hidden_size"] = -4;
  EXPECT_THAT(estimate(checkpoint).error().message(), HasSubstr("found integer -4"));
  checkpoint.config_["hidden_size"] = 64;
  checkpoint.config_["num_hidden_layers"] = int64_t{1} << 32;
  checkpoint.config_["head_dim"] = int64_t{1} << 32;
  EXPECT_THAT(estimate(checkpoint).error().message(), HasSubstr("that fit a computer"));
}

TEST(Estimate, DescribesStories260K) {
  const auto path = shared_data("weights/stories260K/hf");
  if (!path) GTEST_SKIP() << kNoSharedData;
  const auto e = estimate(*Checkpoint::open(*path).value());
  ASSERT_TRUE(e) << e.error().message();
  EXPECT_EQ(e->parameters, 260032);
  EXPECT_EQ(e->sizes.head_dim, 8);
  EXPECT_TRUE(e->tied_embeddings);
  EXPECT_EQ(e->contexts, (std::vector<int64_t>{512}));
  EXPECT_THAT(to_text(*e), HasSubstr("LlamaForCausalLM"));
}

}  // namespace
}  // namespace autoglm
