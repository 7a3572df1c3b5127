#include "formats/gguf_translation.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "formats/gguf_writer.h"
#include "support/shared_data.h"

namespace autoglm {
namespace {

using ::testing::HasSubstr;

// A small model of one layer: 4 heads of 6 over 2 of keys and values, tensors filled with 0, 1, ...
struct TinyFile {
  std::string architecture = "llama";
  GgufMetadata metadata;
  std::vector<TensorPlan> plans;

  void add_sizes() {
    const auto key = [&](std::string_view name) { return architecture + "." + std::string(name); };
    metadata.add_string("general.architecture", architecture);
    metadata.add_uint32(key("block_count"), 1);
    metadata.add_uint32(key("context_length"), 64);
    metadata.add_uint32(key("embedding_length"), 24);
    metadata.add_uint32(key("feed_forward_length"), 40);
    metadata.add_uint32(key("attention.head_count"), 4);
    metadata.add_uint32(key("attention.head_count_kv"), 2);
    metadata.add_float32(key("attention.layer_norm_rms_epsilon"), 1e-5f);
    plans.push_back({"token_embd.weight", DType::kF32, {10, 24}});
  }

  std::string bytes() const {
    std::string file = gguf_header(metadata, plans);
    for (const TensorPlan& plan : plans) {
      std::vector<float> values(plan.bytes() / 4);
      for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
      file.append(reinterpret_cast<const char*>(values.data()), plan.bytes());
      file.resize((file.size() + 31) / 32 * 32);
    }
    return file;
  }
};

using Fill = std::function<void(TinyFile&)>;

// Keeps the bytes that the tensors point into.
struct Opened {
  std::string bytes;
  TranslatedGguf model;
  const StoredTensor* find(std::string_view name) const {
    for (const StoredTensor& tensor : model.tensors) {
      if (tensor.name == name) return &tensor;
    }
    return nullptr;
  }
};

std::unique_ptr<Opened> open_tiny(std::string architecture, const Fill& fill) {
  TinyFile tiny{.architecture = std::move(architecture)};
  tiny.add_sizes();
  fill(tiny);
  auto opened = std::make_unique<Opened>();
  opened->bytes = tiny.bytes();
  const auto gguf = parse_gguf(std::as_bytes(std::span(opened->bytes)), "tiny.gguf");
  auto translated = translate_gguf(gguf.value());
  EXPECT_TRUE(translated) << translated.error().message();
  if (translated) opened->model = std::move(*translated);
  return opened;
}

std::string error_of(std::string architecture, const Fill& fill, bool with_sizes = true) {
  TinyFile tiny{.architecture = std::move(architecture)};
  if (with_sizes) tiny.add_sizes();
  fill(tiny);
  const std::string bytes = tiny.bytes();
  const auto gguf = parse_gguf(std::as_bytes(std::span(bytes)), "tiny.gguf");
  if (!gguf) return gguf.error().message();
  const auto translated = translate_gguf(*gguf);
  return translated ? "translated" : translated.error().message();
}

float first_of_row(const StoredTensor& tensor, int64_t i) {
  std::vector<float> row(static_cast<size_t>(tensor.columns()));
  decode_row(tensor, i, row);
  return row[0];
}

// The golden checkpoints exist in both forms; the GGUF one was laid out by llama.cpp's rules.
TEST(GgufTranslation, GivesTheTensorsOfTheHuggingFaceTwinRowByRow) {
  for (const char* name : {"llama_rope_llama3", "qwen2", "glm4"}) {
    const std::string folder = source_path(fmt::format("tests/data/goldens/{}", name));
    const auto hugging_face = Checkpoint::open(folder);
    const auto gguf = Checkpoint::open(folder + "/model.gguf");
    ASSERT_TRUE(hugging_face) << hugging_face.error().message();
    ASSERT_TRUE(gguf) << gguf.error().message();
    EXPECT_EQ((*gguf)->kind(), Checkpoint::Kind::kGguf);
    bool permuted = false;
    for (const StoredTensor& expected : (*hugging_face)->tensors()) {
      const StoredTensor* found = (*gguf)->find(expected.name);
      ASSERT_NE(found, nullptr) << expected.name;
      ASSERT_EQ(found->shape, expected.shape) << expected.name;
      permuted |= !found->row_order.empty();
      std::vector<float> a(static_cast<size_t>(expected.columns()));
      std::vector<float> b(a.size());
      for (int64_t i = 0; i < expected.rows(); ++i) {
        decode_row(expected, i, a);
        decode_row(*found, i, b);
        ASSERT_EQ(a, b) << expected.name << " row " << i;
      }
    }
    EXPECT_EQ(permuted, std::string_view(name) == "llama_rope_llama3");
    for (const char* key :
         {"architectures", "model_type", "vocab_size", "hidden_size", "intermediate_size",
          "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
          "max_position_embeddings", "rms_norm_eps", "hidden_act", "tie_word_embeddings"}) {
      EXPECT_EQ((*gguf)->config().at(key), (*hugging_face)->config().at(key)) << name << key;
    }
  }
}

TEST(GgufTranslation, CutsAFusedProjectionIntoThree) {
  const auto opened = open_tiny("chatglm", [](TinyFile& t) {
    t.metadata.add_uint32("chatglm.rope.dimension_count", 2);
    t.metadata.add_float32("chatglm.rope.freq_base", 5e6f);
    t.plans.push_back({"blk.0.attn_qkv.weight", DType::kF32, {24 + 2 * 12, 24}});
    t.plans.push_back({"blk.0.attn_qkv.bias", DType::kF32, {48}});
    t.plans.push_back({"blk.0.ffn_up.weight", DType::kF32, {80, 24}});
    t.plans.push_back({"output.weight", DType::kF32, {10, 24}});
  });
  const json::object& config = opened->model.config;
  EXPECT_EQ(config.at("architectures").at(0), "GlmForCausalLM");
  EXPECT_EQ(config.at("attention_bias"), true);
  EXPECT_EQ(config.at("tie_word_embeddings"), false);
  EXPECT_EQ(config.at("head_dim"), 6);
  EXPECT_NEAR(config.at("partial_rotary_factor").as_double(), 1.0 / 3, 1e-12);
  EXPECT_EQ(config.at("rope_theta").to_number<double>(), 5e6);
  const StoredTensor* q = opened->find("model.layers.0.self_attn.q_proj.weight");
  const StoredTensor* k = opened->find("model.layers.0.self_attn.k_proj.weight");
  const StoredTensor* v = opened->find("model.layers.0.self_attn.v_proj.bias");
  ASSERT_TRUE(q != nullptr && k != nullptr && v != nullptr);
  EXPECT_EQ(q->shape, (std::vector<int64_t>{24, 24}));
  EXPECT_EQ(k->shape, (std::vector<int64_t>{12, 24}));
  EXPECT_EQ(v->shape, (std::vector<int64_t>{12}));
  EXPECT_EQ(first_of_row(*k, 1), 25 * 24);
  EXPECT_EQ(first_of_row(*v, 2), 38);
  EXPECT_TRUE(q->row_order.empty());
  EXPECT_NE(opened->find("model.layers.0.mlp.gate_up_proj.weight"), nullptr);
  EXPECT_NE(opened->find("lm_head.weight"), nullptr);
}

TEST(GgufTranslation, UndoesThePermutationOfLlama) {
  const auto opened = open_tiny("llama", [](TinyFile& t) {
    t.plans.push_back({"blk.0.attn_k.weight", DType::kF32, {12, 24}});
    t.plans.push_back({"blk.0.attn_v.weight", DType::kF32, {12, 24}});
    t.plans.push_back({"blk.0.attn_k.bias", DType::kF32, {12}});
  });
  const StoredTensor* k = opened->find("model.layers.0.self_attn.k_proj.weight");
  const StoredTensor* bias = opened->find("model.layers.0.self_attn.k_proj.bias");
  const StoredTensor* v = opened->find("model.layers.0.self_attn.v_proj.weight");
  ASSERT_TRUE(k != nullptr && bias != nullptr && v != nullptr);
  const std::vector<int32_t> order{0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11};
  EXPECT_EQ(k->row_order, order);
  EXPECT_TRUE(v->row_order.empty());
  for (int64_t i = 0; i < 12; ++i) {
    EXPECT_EQ(first_of_row(*k, i), static_cast<float>(24 * order[static_cast<size_t>(i)]));
    EXPECT_EQ(first_of_row(*bias, i), static_cast<float>(order[static_cast<size_t>(i)]));
  }
}

TEST(GgufTranslation, ReadsRopeScalingWindowsAndSampling) {
  const auto opened = open_tiny("llama", [](TinyFile& t) {
    t.metadata.add_string("llama.rope.scaling.type", "yarn");
    t.metadata.add_float32("llama.rope.scaling.factor", 4);
    t.metadata.add_uint32("llama.rope.scaling.original_context_length", 32);
    t.metadata.add_uint32("llama.attention.sliding_window", 16);
    t.metadata.add_float32("general.sampling.temp", 0.6f);
    t.metadata.add_uint32("tokenizer.ggml.eos_token_id", 1);
    t.metadata.add_uint32("tokenizer.ggml.eot_token_id", 0);
  });
  const json::object& config = opened->model.config;
  EXPECT_EQ(config.at("architectures").at(0), "MistralForCausalLM");
  EXPECT_EQ(config.at("sliding_window"), 16);
  EXPECT_EQ(config.at("rope_scaling").at("rope_type"), "yarn");
  EXPECT_EQ(config.at("rope_scaling").at("factor").to_number<double>(), 4);
  EXPECT_EQ(config.at("rope_scaling").at("original_max_position_embeddings"), 32);
  EXPECT_EQ(config.at("tie_word_embeddings"), true);
  EXPECT_EQ(config.at("rms_norm_eps").as_double(), 1e-5);
  const json::object& generation = opened->model.generation_config;
  EXPECT_EQ(generation.at("temperature").as_double(), 0.6);
  EXPECT_EQ(generation.at("eos_token_id"), (json::array{0, 1}));
}

TEST(GgufTranslation, RefusesWhatItCannotTranslate) {
  const Fill nothing = [](TinyFile&) {};
  EXPECT_EQ(error_of("llama", nothing), "translated");
  EXPECT_THAT(
      error_of("mamba", nothing),
      HasSubstr("tiny.gguf: general.architecture: architecture is not supported (expected "
                "llama, qwen2, qwen3, chatglm, glm4, qwen2moe, qwen3moe, glm4moe, found mamba)"));
  const auto only_embedding = [](TinyFile& t) {
    t.metadata.add_string("general.architecture", "llama");
    t.plans.push_back({"token_embd.weight", DType::kF32, {10, 24}});
  };
  EXPECT_THAT(error_of("llama", only_embedding, false),
              HasSubstr("llama.block_count: metadata is missing (expected 1 to 10000"));
  const auto wrong = [](std::string_view key, uint32_t value) {
    return error_of("llama", [&](TinyFile& t) { t.metadata.add_uint32(key, value); });
  };
  EXPECT_THAT(wrong("llama.attention.value_length", 8), HasSubstr("expected 6, the same as keys"));
  EXPECT_THAT(wrong("llama.expert_count", 4),
              HasSubstr("llama.expert_used_count: metadata is missing (expected how many experts"));
  EXPECT_THAT(
      error_of("qwen3", [&](TinyFile& t) { t.metadata.add_uint32("qwen3.expert_count", 4); }),
      HasSubstr("qwen3.expert_count: architecture has no experts (expected 0"));
  EXPECT_THAT(error_of("qwen3moe", nothing),
              HasSubstr("qwen3moe.expert_count: metadata is missing (expected 1 to 65536"));
  const auto wrong_experts = [](std::vector<int64_t> shape) {
    return error_of("qwen3moe", [&](TinyFile& t) {
      t.metadata.add_uint32("qwen3moe.expert_count", 4);
      t.metadata.add_uint32("qwen3moe.expert_used_count", 2);
      t.plans.push_back({"blk.0.ffn_gate_exps.weight", DType::kF32, std::move(shape)});
    });
  };
  EXPECT_THAT(
      wrong_experts({3, 8, 24}),
      HasSubstr("blk.0.ffn_gate_exps.weight: tensor of experts has the wrong shape (expected "
                "[4 experts, rows, columns], found [3, 8, 24])"));
  EXPECT_THAT(wrong_experts({32, 24}), HasSubstr("found [32, 24]"));
  EXPECT_EQ(wrong_experts({4, 8, 24}), "translated");
  EXPECT_EQ(wrong("llama.expert_count", 0), "translated");
  EXPECT_THAT(wrong("llama.rope.dimension_count", 8), HasSubstr("expected 1 to 6, found 8"));
  EXPECT_THAT(wrong("llama.rope.dimension_count", 3), HasSubstr("an even number"));
  EXPECT_THAT(wrong("llama.attention.key_length", 1u << 30), HasSubstr("expected 1 to 268435456"));
  EXPECT_THAT(wrong("llama.rope.freq_base", 0), HasSubstr("more than 0"));
  EXPECT_THAT(
      error_of("llama",
               [](TinyFile& t) { t.metadata.add_string("llama.rope.scaling.type", "longrope"); }),
      HasSubstr("expected none, linear or yarn, found \"longrope\""));
  EXPECT_THAT(error_of("llama",
                       [](TinyFile& t) {
                         t.plans.push_back({"blk.0.attn_q.weight", DType::kF32, {20, 24}});
                       }),
              HasSubstr("blk.0.attn_q.weight: tensor has the wrong number of rows (expected 24"));
  EXPECT_THAT(error_of("glm4",
                       [](TinyFile& t) {
                         t.plans.push_back({"blk.0.attn_qkv.weight", DType::kF32, {24, 24}});
                       }),
              HasSubstr("wrong number of rows (expected 48, found [24, 24])"));
  EXPECT_THAT(error_of("glm4",
                       [](TinyFile& t) {
                         t.plans.push_back({"blk.0.attn_qkv.weight", DType::kF32, {48, 24}});
                         t.plans.push_back({"blk.0.attn_q.weight", DType::kF32, {24, 24}});
                       }),
              HasSubstr("two tensors stand for the same weights"));
  EXPECT_THAT(error_of("llama",
                       [](TinyFile& t) {
                         t.plans[0].shape = {10, 12};
                       }),
              HasSubstr("embedding is missing or has the wrong shape (expected [vocabulary, 24], "
                        "found [10, 12])"));
}

}  // namespace
}  // namespace autoglm
