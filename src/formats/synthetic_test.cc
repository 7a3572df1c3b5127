#include "formats/synthetic.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "base/files.h"
#include "formats/checkpoint.h"
#include "formats/gguf_vocabulary.h"

namespace autoglm {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Synthetic : public ::testing::Test {
 protected:
  Synthetic()
      : folder_(fs::temp_directory_path() / fmt::format("autoglm-synthetic-{}", ::getpid())) {
    fs::create_directories(folder_);
  }
  ~Synthetic() override { fs::remove_all(folder_); }

  std::shared_ptr<const Checkpoint> write(std::string_view name, const SyntheticShape& shape,
                                          DType dtype, uint64_t seed = 5) const {
    const std::string path = folder_ / name;
    const auto written =
        write_synthetic({.path = path, .shape = shape, .dtype = dtype, .seed = seed});
    EXPECT_TRUE(written) << written.error().message();
    auto opened = Checkpoint::open(path);
    EXPECT_TRUE(opened) << opened.error().message();
    return opened ? *opened : nullptr;
  }

  fs::path folder_;
};

SyntheticShape odd_shape(std::string_view architecture) {
  const bool mixture =
      architecture.starts_with("Mixtral") || architecture.find("Moe") != architecture.npos;
  return {.architecture = std::string(architecture),
          .layers = 2,
          .hidden_size = 20,
          .intermediate_size = 28,
          .heads = 4,
          .kv_heads = 2,
          .head_dim = 8,
          .vocab_size = 300,
          .max_position_embeddings = 64,
          .experts = mixture ? 5 : 0,
          .experts_per_token = mixture ? 3 : 0,
          .expert_size = mixture ? 12 : 0};
}

TEST_F(Synthetic, BothFormsHoldTheSameRows) {
  for (const char* architecture :
       {"LlamaForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM", "GlmForCausalLM",
        "Glm4ForCausalLM", "MixtralForCausalLM", "Qwen2MoeForCausalLM", "Qwen3MoeForCausalLM",
        "Glm4MoeForCausalLM"}) {
    const SyntheticShape shape = odd_shape(architecture);
    const auto hugging_face = write(architecture, shape, DType::kF32);
    const auto gguf = write(fmt::format("{}.gguf", architecture), shape, DType::kF32);
    ASSERT_TRUE(hugging_face != nullptr && gguf != nullptr);
    EXPECT_EQ(gguf->tensors().size(), hugging_face->tensors().size());
    for (const StoredTensor& expected : hugging_face->tensors()) {
      const StoredTensor* found = gguf->find(expected.name);
      ASSERT_NE(found, nullptr) << architecture << " " << expected.name;
      ASSERT_EQ(found->shape, expected.shape);
      std::vector<float> a(static_cast<size_t>(expected.columns()));
      std::vector<float> b(a.size());
      for (int64_t i = 0; i < expected.rows(); ++i) {
        decode_row(expected, i, a);
        decode_row(*found, i, b);
        ASSERT_EQ(a, b) << architecture << " " << expected.name << " row " << i;
      }
    }
    for (const auto& [key, value] : hugging_face->config()) {
      if (key == "torch_dtype" || key == "eos_token_id") continue;  // GGUF lists the ends
      EXPECT_EQ(gguf->config().at(key), value) << architecture << " " << key;
    }
  }
}

TEST_F(Synthetic, ChatGlmHasItsOwnNames) {
  const auto checkpoint = write("chatglm", odd_shape("ChatGLMModel"), DType::kF16);
  ASSERT_NE(checkpoint, nullptr);
  const StoredTensor* fused =
      checkpoint->find("transformer.encoder.layers.1.self_attention.query_key_value.weight");
  ASSERT_NE(fused, nullptr);
  EXPECT_EQ(fused->shape, (std::vector<int64_t>{64, 20}));
  EXPECT_EQ(fused->dtype, DType::kF16);
}

TEST_F(Synthetic, TheSameSeedGivesTheSameBytesAndAnotherOthers) {
  const SyntheticShape shape = odd_shape("LlamaForCausalLM");
  write("a.gguf", shape, DType::kF16, 1);
  write("b.gguf", shape, DType::kF16, 1);
  write("c.gguf", shape, DType::kF16, 2);
  const auto bytes = [&](std::string_view name) {
    return read_file(folder_ / name, 1 << 24).value();
  };
  EXPECT_EQ(bytes("a.gguf"), bytes("b.gguf"));
  EXPECT_NE(bytes("a.gguf"), bytes("c.gguf"));
}

TEST_F(Synthetic, WeightsSpreadAsStated) {
  const SyntheticShape shape = synthetic_preset("tiny").value();
  const auto checkpoint = write("tiny", shape, DType::kBF16);
  const StoredTensor* weight = checkpoint->find("model.layers.1.mlp.up_proj.weight");
  double sum = 0;
  double squares = 0;
  std::vector<float> row(256);
  for (int64_t i = 0; i < weight->rows(); ++i) {
    decode_row(*weight, i, row);
    for (const float value : row) {
      sum += value;
      squares += static_cast<double>(value) * value;
    }
  }
  const double n = 256.0 * 512;
  EXPECT_NEAR(sum / n, 0, 2e-4);
  EXPECT_NEAR(std::sqrt(squares / n), 0.02, 2e-4);
  std::vector<float> norm(1);
  decode_row(*checkpoint->find("model.norm.weight"), 0, norm);
  EXPECT_NEAR(norm[0], 1, 0.1);
}

TEST_F(Synthetic, EveryBlockFormatOpensAgain) {
  const SyntheticShape shape = synthetic_preset("tiny", "Qwen2ForCausalLM").value();
  const auto exact = write("exact.gguf", shape, DType::kF32);
  for (const DType dtype : {DType::kQ8_0, DType::kQ4_0, DType::kQ4_K, DType::kQ6_K}) {
    const auto checkpoint = write("blocks.gguf", shape, dtype);
    ASSERT_NE(checkpoint, nullptr);
    const StoredTensor* weight = checkpoint->find("model.layers.0.self_attn.q_proj.weight");
    ASSERT_NE(weight, nullptr);
    EXPECT_EQ(weight->dtype, dtype);
    std::vector<float> a(256);
    std::vector<float> b(256);
    decode_row(*weight, 17, a);
    decode_row(*exact->find(weight->name), 17, b);
    for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 0.01);
  }
}

TEST_F(Synthetic, TheVocabularyHasTheSizeAndValidMerges) {
  SyntheticShape shape = odd_shape("LlamaForCausalLM");
  shape.vocab_size = 70000;  // more than all pairs of bytes
  shape.layers = 1;
  write("large.gguf", shape, DType::kF16);
  const auto vocabulary = read_gguf_vocabulary(folder_ / "large.gguf");
  ASSERT_TRUE(vocabulary) << vocabulary.error().message();
  EXPECT_EQ(vocabulary->tokens.size(), 70000u);
  EXPECT_EQ(vocabulary->eos, 69997);
  std::set<std::string> known(vocabulary->tokens.begin(), vocabulary->tokens.begin() + 256);
  for (const std::string& merge : vocabulary->merges) {
    const size_t space = merge.find(' ');
    ASSERT_TRUE(known.contains(merge.substr(0, space))) << merge;
    ASSERT_TRUE(known.contains(merge.substr(space + 1))) << merge;
    ASSERT_TRUE(known.insert(merge.substr(0, space) + merge.substr(space + 1)).second) << merge;
  }
  EXPECT_EQ(known.size(), 70000u - 3);
}

TEST_F(Synthetic, RefusesShapesAndFormatsThatCannotBe) {
  const auto error = [&](std::string_view name, const SyntheticShape& shape, DType dtype) {
    const auto written = write_synthetic({.path = folder_ / name, .shape = shape, .dtype = dtype});
    return written ? "written" : written.error().message();
  };
  const SyntheticShape good = odd_shape("LlamaForCausalLM");
  EXPECT_THAT(error("x", odd_shape("GPT2LMHeadModel"), DType::kF32),
              HasSubstr("expected LlamaForCausalLM, MistralForCausalLM"));
  SyntheticShape bad = good;
  bad.kv_heads = 3;
  EXPECT_THAT(error("x", bad, DType::kF32), HasSubstr("a divisor of 4 heads, found 3"));
  bad = good;
  bad.vocab_size = 258;
  EXPECT_THAT(error("x", bad, DType::kF32), HasSubstr("vocab_size"));
  bad = odd_shape("GlmForCausalLM");
  bad.head_dim = 6;
  EXPECT_THAT(error("x", bad, DType::kF32), HasSubstr("a multiple of 4, found 6"));
  EXPECT_THAT(error("x", good, DType::kQ8_0), HasSubstr("expected F32, F16 or BF16, found Q8_0"));
  EXPECT_THAT(error("x.gguf", good, DType::kQ2_K), HasSubstr("found Q2_K"));
  EXPECT_THAT(error("x.gguf", good, DType::kQ4_K), HasSubstr("whole blocks"));
  EXPECT_THAT(error("none/x.gguf", good, DType::kF32), HasSubstr("cannot create"));
  EXPECT_THAT(synthetic_preset("7b").error().message(), HasSubstr("tiny, 0.5b, 1.4b or 3b-moe"));
  EXPECT_TRUE(fs::is_empty(folder_));
}

}  // namespace
}  // namespace autoglm
