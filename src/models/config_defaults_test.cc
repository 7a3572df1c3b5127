// Keys that a config.json leaves out have the values of the architecture's own configuration class:
// a table of all architectures and all their keys, from transformers' classes themselves
// (tests/data/config_defaults.json, by tools/goldens/make_config_defaults.py).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "formats/synthetic_model.h"
#include "models/registry.h"
#include "support/shared_data.h"

namespace autoglm {
namespace {

// Shapes without bytes, which is all that recording a model reads.
class ShapesOnly final : public Checkpoint {
 public:
  ShapesOnly(json::object config, const std::vector<SyntheticTensor>& tensors)
      : config_(std::move(config)) {
    for (const SyntheticTensor& tensor : tensors) {
      index_.emplace(tensor.name, tensors_.size());
      tensors_.push_back({.name = tensor.name, .where = tensor.name, .shape = tensor.shape});
    }
  }
  Kind kind() const override { return Kind::kHuggingFace; }
  const std::string& path() const override { return path_; }
  const json::object& config() const override { return config_; }
  const json::object& generation_config() const override { return none_; }
  const std::vector<StoredTensor>& tensors() const override { return tensors_; }
  std::vector<const MappedFile*> weight_files() const override { return {}; }

 private:
  std::string path_ = "shapes";
  json::object config_, none_;
  std::vector<StoredTensor> tensors_;
};

// All that a configuration decides of a model.
std::string described(const Result<Model>& model) {
  if (!model) return "refused: " + model.error().message();
  std::string text =
      fmt::format("{} vocabulary {} hidden {} layers {} context {}\n", model->architecture,
                  model->vocab_size, model->hidden_size, model->n_layers, model->max_context);
  for (const Rope& rope : model->graph.ropes()) {
    text += fmt::format("rope {} {}", rope.interleaved, rope.attention_factor);
    for (const double f : rope.inverse_frequencies) text += fmt::format(" {}", f);
    text += "\n";
  }
  for (const Weight& weight : model->graph.weights()) {
    text += fmt::format("{} [{}, {}]\n", weight.parts[0].tensor, weight.rows, weight.columns);
  }
  for (const Node& node : model->graph.nodes()) {
    const AttentionSpec& a = node.attention;
    text += fmt::format("{} {} {} {} {} {} {} {}\n", static_cast<int>(node.op), node.shape.columns,
                        node.epsilon, a.n_heads, a.n_kv_heads, a.head_dim, a.scale, a.window);
    const RouteSpec& r = node.route;
    text += fmt::format("{} of {} experts, {} of {} groups, {} {} {} {}\n", r.chosen, r.experts,
                        r.chosen_groups, r.groups, static_cast<int>(r.score), r.renormalize,
                        r.scale, r.shared_gate);
  }
  return text;
}

constexpr int64_t kGlmHeadDim = 128;

SyntheticShape shape_of(const std::string& architecture, const json::object& config) {
  const auto size = [&](std::string_view key) { return config.at(key).as_int64(); };
  SyntheticShape shape{.architecture = architecture};
  shape.layers = size("num_hidden_layers");
  shape.hidden_size = size("hidden_size");
  shape.intermediate_size = size("intermediate_size");
  shape.heads = size("num_attention_heads");
  shape.kv_heads = size("num_key_value_heads");
  const json::value* dim = config.if_contains("head_dim");
  shape.head_dim =
      dim != nullptr && dim->is_int64() ? dim->as_int64() : shape.hidden_size / shape.heads;
  if (architecture == "Glm4MoeForCausalLM") shape.head_dim = kGlmHeadDim;
  shape.vocab_size = size("vocab_size");
  shape.max_position_embeddings = size("max_position_embeddings");
  if (!config.contains("num_experts_per_tok")) return shape;
  shape.experts_per_token = size("num_experts_per_tok");
  for (const char* key : {"num_experts", "num_local_experts", "n_routed_experts"}) {
    if (config.contains(key)) shape.experts = size(key);
  }
  shape.expert_size = size(config.contains("moe_intermediate_size") ? "moe_intermediate_size"
                                                                    : "intermediate_size");
  return shape;
}

void expect_defaults(const std::string& architecture, json::object config,
                     const std::vector<SyntheticTensor>& tensors) {
  json::object nothing{{"architectures", json::array{architecture}}};
  // GLM-4.5's own sizes make no heads; its checkpoints say how wide they are.
  if (architecture == "Glm4MoeForCausalLM") nothing["head_dim"] = kGlmHeadDim;
  for (const auto& entry : nothing) config[entry.key()] = entry.value();
  const std::string whole = described(build_model(ShapesOnly(config, tensors)));
  ASSERT_FALSE(whole.starts_with("refused")) << architecture << ": " << whole;
  for (const auto& entry : config) {
    const std::string key(entry.key());
    if (nothing.contains(key)) continue;
    json::object without = config;
    without.erase(key);
    EXPECT_EQ(described(build_model(ShapesOnly(without, tensors))), whole)
        << architecture << " without " << key;
  }
  EXPECT_EQ(described(build_model(ShapesOnly(nothing, tensors))), whole) << architecture;
}

TEST(ConfigDefaults, AMissingKeyIsWhatTransformersTakesForIt) {
  const json::value table =
      json::parse_file(source_path("tests/data/config_defaults.json")).value();
  for (const auto& entry : table.at("classes").as_object()) {
    const std::string architecture(entry.key());
    const json::object& config = entry.value().as_object();
    expect_defaults(architecture, config, synthetic_tensors(shape_of(architecture, config)));
  }
}

// The custom code of ChatGLM2, ChatGLM3 and GLM-4 (configuration_chatglm.py), whose class no
// package has.
TEST(ConfigDefaults, AMissingKeyOfChatGlmIsWhatItsOwnCodeTakesForIt) {
  const json::object config{{"num_layers", 28},
                            {"padded_vocab_size", 65024},
                            {"hidden_size", 4096},
                            {"ffn_hidden_size", 13696},
                            {"kv_channels", 128},
                            {"num_attention_heads", 32},
                            {"seq_length", 2048},
                            {"layernorm_epsilon", 1e-5},
                            {"rmsnorm", true},
                            {"apply_residual_connection_post_layernorm", false},
                            {"post_layer_norm", true},
                            {"add_bias_linear", false},
                            {"add_qkv_bias", false},
                            {"multi_query_attention", false},
                            {"multi_query_group_num", 1},
                            {"rope_ratio", 1},
                            {"original_rope", true}};
  SyntheticShape shape{.architecture = "ChatGLMModel"};
  shape.layers = 28;
  shape.hidden_size = 4096;
  shape.intermediate_size = 13696;
  shape.heads = shape.kv_heads = 32;
  shape.head_dim = 128;
  shape.vocab_size = 65024;
  expect_defaults("ChatGLMModel", config, synthetic_tensors(shape));
}

TEST(ConfigDefaults, NullAsksForWhatFollowsFromTheOtherSizes) {
  json::object config{{"architectures", json::array{"MistralForCausalLM"}},
                      {"num_key_value_heads", nullptr},
                      {"head_dim", nullptr},
                      {"sliding_window", nullptr},
                      {"num_hidden_layers", 1}};
  SyntheticShape shape{.architecture = "MistralForCausalLM"};
  shape.layers = 1;
  shape.hidden_size = 4096;
  shape.intermediate_size = 14336;
  shape.heads = shape.kv_heads = 32;
  shape.head_dim = 128;
  shape.vocab_size = 32000;
  const auto model = build_model(ShapesOnly(config, synthetic_tensors(shape)));
  ASSERT_TRUE(model) << model.error().message();
  EXPECT_EQ(model->n_kv_heads, 32);
  EXPECT_EQ(model->head_dim, 128);
  for (const Node& node : model->graph.nodes()) EXPECT_EQ(node.attention.window, 0);
}

TEST(ConfigDefaults, SlidingWindowsBeginWhereTheClassSays) {
  SyntheticShape shape{.architecture = "Qwen2ForCausalLM"};
  shape.layers = 30;
  shape.hidden_size = 4096;
  shape.intermediate_size = 22016;
  shape.heads = shape.kv_heads = 32;
  shape.head_dim = 128;
  shape.vocab_size = 151936;
  const json::object config{{"architectures", json::array{"Qwen2ForCausalLM"}},
                            {"num_hidden_layers", 30},
                            {"use_sliding_window", true}};
  const auto model = build_model(ShapesOnly(config, synthetic_tensors(shape)));
  ASSERT_TRUE(model) << model.error().message();
  for (const Node& node : model->graph.nodes()) {
    if (node.op != Op::kAttention) continue;
    EXPECT_EQ(node.attention.window, node.attention.layer < 28 ? 0 : 4096);
  }
}

TEST(ConfigDefaults, ModelTypeNamesTheArchitectureWhereTheListIsMissing) {
  const json::value table =
      json::parse_file(source_path("tests/data/config_defaults.json")).value();
  for (const auto& [type, architecture] :
       {std::pair{"llama", "LlamaForCausalLM"}, std::pair{"mistral", "MistralForCausalLM"},
        std::pair{"qwen2", "Qwen2ForCausalLM"}, std::pair{"qwen3", "Qwen3ForCausalLM"},
        std::pair{"glm", "GlmForCausalLM"}, std::pair{"glm4", "Glm4ForCausalLM"}}) {
    const json::object& config = table.at("classes").at(architecture).as_object();
    const auto tensors = synthetic_tensors(shape_of(architecture, config));
    for (const json::value& list : {json::value(nullptr), json::value(json::array{})}) {
      const auto model =
          build_model(ShapesOnly({{"model_type", type}, {"architectures", list}}, tensors));
      ASSERT_TRUE(model) << type << ": " << model.error().message();
      EXPECT_EQ(model->architecture, architecture);
    }
  }
}

// A model whose file may hold its embedding, its head, or both.
Result<Model> tables(bool tied, const std::string& embedding, const std::string& head) {
  SyntheticShape shape{.architecture = "Qwen2ForCausalLM"};
  shape.layers = 1;
  shape.hidden_size = 8;
  shape.intermediate_size = 16;
  shape.heads = shape.kv_heads = 2;
  shape.head_dim = 4;
  shape.vocab_size = 300;
  shape.max_position_embeddings = 64;
  class WithBytes final : public Checkpoint {
   public:
    Kind kind() const override { return Kind::kHuggingFace; }
    const std::string& path() const override { return path_; }
    const json::object& config() const override { return config_; }
    const json::object& generation_config() const override { return none_; }
    const std::vector<StoredTensor>& tensors() const override { return tensors_; }
    std::vector<const MappedFile*> weight_files() const override { return {}; }
    void add(StoredTensor tensor) {
      index_.emplace(tensor.name, tensors_.size());
      tensors_.push_back(std::move(tensor));
    }
    std::string path_ = "bytes";
    json::object config_, none_;
    std::vector<StoredTensor> tensors_;
  } checkpoint;
  checkpoint.config_ = synthetic_config(shape, DType::kF32);
  checkpoint.config_["tie_word_embeddings"] = tied;
  const std::vector<float> ones(300 * 8, 1.0F), twos(300 * 8, 2.0F);
  for (const SyntheticTensor& tensor : synthetic_tensors(shape)) {
    StoredTensor stored{.name = tensor.name, .where = tensor.name, .shape = tensor.shape};
    const bool is_table = tensor.name.starts_with("model.embed") || tensor.name.starts_with("lm_");
    const std::string& what = tensor.name.starts_with("lm_") ? head : embedding;
    if (is_table && what.empty()) continue;
    if (is_table) stored.bytes = std::as_bytes(std::span(what == "1" ? ones : twos));
    checkpoint.add(std::move(stored));
  }
  return build_model(checkpoint);
}

// The tensors that embedding and logits are made of, as transformers decides.
std::string used(bool tied, const std::string& embedding, const std::string& head) {
  const auto model = tables(tied, embedding, head);
  if (!model) return model.error().where;
  const auto name = [&](int32_t index) {
    return model->graph.weight(model->graph.node(index).weight()).parts[0].tensor;
  };
  return name(0) + " " + name(model->graph.output(kLogitsOutput));
}

TEST(TokenTables, AFlagIsNotBelievedOverTheFile) {
  const std::string e = "model.embed_tokens.weight", h = "lm_head.weight";
  EXPECT_EQ(used(true, "1", ""), e + " " + e);
  EXPECT_EQ(used(true, "1", "1"), e + " " + e);
  EXPECT_EQ(used(true, "1", "2"), e + " " + h);
  EXPECT_EQ(used(true, "", "2"), h + " " + h);
  EXPECT_EQ(used(false, "1", "1"), e + " " + h);
  EXPECT_EQ(used(false, "1", "2"), e + " " + h);
  EXPECT_EQ(used(false, "1", ""), "bytes: " + h);
  EXPECT_EQ(used(false, "", "2"), "bytes: " + e);
  EXPECT_EQ(used(true, "", ""), "bytes: " + e);
}

// transformers' other name of it; the others there compute something else.
TEST(ConfigDefaults, SwishIsSilu) {
  SyntheticShape shape{.architecture = "MistralForCausalLM"};
  shape.layers = 1;
  shape.hidden_size = 4096;
  shape.intermediate_size = 14336;
  shape.heads = 32;
  shape.kv_heads = 8;
  shape.head_dim = 128;
  shape.vocab_size = 32000;
  const auto with = [&](std::string_view activation) {
    return described(build_model(ShapesOnly({{"architectures", json::array{"MistralForCausalLM"}},
                                             {"num_hidden_layers", 1},
                                             {"hidden_act", activation}},
                                            synthetic_tensors(shape))));
  };
  ASSERT_FALSE(with("silu").starts_with("refused")) << with("silu");
  EXPECT_EQ(with("swish"), with("silu"));
  for (const char* other :
       {"gelu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu", "relu", "SiLU"}) {
    EXPECT_NE(with(other).find("silu or swish"), std::string::npos) << other;
  }
}

}  // namespace
}  // namespace autoglm
