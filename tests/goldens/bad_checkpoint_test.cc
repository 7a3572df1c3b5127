// Checkpoints whose configuration and tensors contradict each other, or that ask for the absurd:
// each is refused with an error that names what is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include <functional>

#include "formats/checkpoint.h"
#include "models/registry.h"
#include "support/shared_data.h"

namespace autoglm {
namespace {

// A checkpoint whose configuration and tensors a test may change.
class Altered : public Checkpoint {
 public:
  explicit Altered(std::shared_ptr<const Checkpoint> original)
      : original_(std::move(original)),
        config_(original_->config()),
        tensors_(original_->tensors()) {
    index();
  }

  Kind kind() const override { return original_->kind(); }
  const std::string& path() const override { return original_->path(); }
  const json::object& config() const override { return config_; }
  const json::object& generation_config() const override { return original_->generation_config(); }
  const std::vector<StoredTensor>& tensors() const override { return tensors_; }
  std::vector<const MappedFile*> weight_files() const override { return {}; }

  void set(std::string_view key, json::value value) { config_[key] = std::move(value); }
  void drop_key(std::string_view key) { config_.erase(key); }
  StoredTensor& tensor(const std::string& name) { return tensors_[index_.at(name)]; }
  void drop_tensor(const std::string& name) {
    std::erase_if(tensors_, [&](const StoredTensor& t) { return t.name == name; });
    index();
  }

 private:
  void index() {
    index_.clear();
    for (size_t i = 0; i < tensors_.size(); ++i) index_[tensors_[i].name] = i;
  }

  std::shared_ptr<const Checkpoint> original_;
  json::object config_;
  std::vector<StoredTensor> tensors_;
};

// The error's text after `change`, or "" when the model is accepted.
std::string refusal(const std::string& folder, const std::function<void(Altered&)>& change) {
  auto original = Checkpoint::open(source_path("tests/data/goldens/" + folder));
  if (!original) return "cannot open: " + original.error().message();
  Altered altered(*original);
  change(altered);
  const auto model = build_model(altered);
  return model ? std::string() : model.error().message();
}

using testing::HasSubstr;

TEST(BadCheckpoint, AnUnchangedOneIsAccepted) {
  EXPECT_EQ(refusal("llama_biased", [](Altered&) {}), "");
}

TEST(BadCheckpoint, AnUnknownArchitectureGetsAListOfTheKnown) {
  const std::string text =
      refusal("glm", [](Altered& c) { c.set("architectures", json::array{"GPT2LMHeadModel"}); });
  EXPECT_THAT(text, HasSubstr("GPT2LMHeadModel"));
  for (const std::string_view known : known_architectures()) {
    EXPECT_THAT(text, HasSubstr(std::string(known)));
  }
}

TEST(BadCheckpoint, ATensorOfAnotherShapeIsNamedWithBothShapes) {
  const std::string name = "model.layers.1.self_attn.q_proj.weight";
  const std::string text = refusal("glm", [&](Altered& c) { c.tensor(name).shape = {71, 44}; });
  EXPECT_THAT(text, HasSubstr(name));
  EXPECT_THAT(text, HasSubstr("[72, 44]"));
  EXPECT_THAT(text, HasSubstr("[71, 44]"));
}

TEST(BadCheckpoint, AMissingTensorIsNamed) {
  for (const char* name : {"model.layers.0.mlp.down_proj.weight", "model.norm.weight",
                           "lm_head.weight", "model.layers.1.self_attn.k_proj.bias"}) {
    EXPECT_THAT(refusal("glm", [&](Altered& c) { c.drop_tensor(name); }), HasSubstr(name));
  }
}

// A missing size is the architecture's usual one (src/models/config_defaults_test.cc), which these
// small tensors contradict.
TEST(BadCheckpoint, AMissingSizeThatTheTensorsContradictIsRefused) {
  for (const char* key : {"hidden_size", "intermediate_size", "num_hidden_layers", "vocab_size"}) {
    EXPECT_THAT(refusal("glm", [&](Altered& c) { c.drop_key(key); }),
                testing::AnyOf(HasSubstr("wrong shape"), HasSubstr("tensor is missing")))
        << key;
  }
  for (const char* key : {"num_layers", "padded_vocab_size", "kv_channels", "ffn_hidden_size"}) {
    EXPECT_THAT(refusal("chatglm", [&](Altered& c) { c.drop_key(key); }),
                testing::AnyOf(HasSubstr("wrong shape"), HasSubstr("tensor is missing")))
        << key;
  }
}

TEST(BadCheckpoint, SizesOutOfReasonAreRefusedByKey) {
  struct Lie {
    const char* key;
    json::value value;
  };
  for (const Lie& lie :
       {Lie{"num_attention_heads", 0}, Lie{"num_attention_heads", -6}, Lie{"num_hidden_layers", 0},
        Lie{"num_hidden_layers", int64_t{1'000'000'000'000}}, Lie{"hidden_size", int64_t{1} << 40},
        Lie{"hidden_size", 0}, Lie{"vocab_size", -1}, Lie{"vocab_size", int64_t{1} << 60},
        Lie{"num_key_value_heads", 4}, Lie{"num_key_value_heads", 0}, Lie{"head_dim", 1 << 20},
        Lie{"intermediate_size", "many"}, Lie{"rms_norm_eps", -1.0},
        Lie{"max_position_embeddings", 1e300}, Lie{"hidden_act", "gelu"}, Lie{"rope_theta", 0.0},
        Lie{"partial_rotary_factor", 3.0}, Lie{"partial_rotary_factor", 0.01},
        Lie{"attention_bias", 1}}) {
    EXPECT_THAT(refusal("glm", [&](Altered& c) { c.set(lie.key, lie.value); }), HasSubstr(lie.key))
        << json::value(lie.value);
  }
}

TEST(BadCheckpoint, RopeVariantsThatNobodyKnowsAreRefused) {
  EXPECT_THAT(refusal("glm",
                      [](Altered& c) {
                        c.set("rope_scaling", json::object{{"rope_type", "longrope"}});
                      }),
              HasSubstr("default, linear, dynamic, llama3 or yarn"));
  EXPECT_THAT(refusal("glm",
                      [](Altered& c) {
                        c.set("rope_scaling", json::object{{"rope_type", "llama3"}});
                      }),
              HasSubstr("factor"));
  EXPECT_THAT(refusal("glm",
                      [](Altered& c) {
                        c.set("rope_scaling", json::object{{"rope_type", "linear"}, {"factor", 0}});
                      }),
              HasSubstr("factor"));
}

TEST(BadCheckpoint, WindowsOfLayersMustFitTheLayers) {
  EXPECT_THAT(refusal("qwen2_window",
                      [](Altered& c) { c.set("layer_types", json::array{"full_attention"}); }),
              HasSubstr("layer_types"));
  EXPECT_THAT(refusal("qwen2_window", [](Altered& c) { c.set("use_sliding_window", false); }),
              HasSubstr("layer_types"));
}

TEST(BadCheckpoint, TensorsOfExpertsAreNamedWhenMissingOrOfAnotherShape) {
  for (const char* name :
       {"model.layers.1.mlp.gate.weight", "model.layers.1.mlp.experts.3.up_proj.weight",
        "model.layers.1.mlp.experts.11.down_proj.weight",
        "model.layers.2.mlp.gate.e_score_correction_bias",
        "model.layers.2.mlp.shared_experts.gate_proj.weight"}) {
    EXPECT_THAT(refusal("glm4_moe", [&](Altered& c) { c.drop_tensor(name); }), HasSubstr(name));
    EXPECT_THAT(refusal("glm4_moe",
                        [&](Altered& c) {
                          c.tensor(name).shape = {5, 7};
                        }),
                testing::AllOf(HasSubstr(name), HasSubstr("[5, 7]")));
  }
  EXPECT_THAT(
      refusal("qwen2_moe",
              [](Altered& c) { c.drop_tensor("model.layers.0.mlp.shared_expert_gate.weight"); }),
      HasSubstr("model.layers.0.mlp.shared_expert_gate.weight"));
}

TEST(BadCheckpoint, NumbersOfExpertsThatCannotBeAreRefusedByKey) {
  struct Lie {
    const char* folder;
    const char* key;
    json::value value;
  };
  for (const Lie& lie :
       {Lie{"qwen3_moe", "num_experts_per_tok", 10}, Lie{"qwen3_moe", "num_experts_per_tok", 0},
        Lie{"mixtral", "num_experts_per_tok", 6}, Lie{"mixtral", "num_local_experts", 0},
        Lie{"mixtral", "num_local_experts", int64_t{1} << 40},
        Lie{"qwen3_moe", "moe_intermediate_size", -1}, Lie{"qwen3_moe", "decoder_sparse_step", 0},
        Lie{"qwen3_moe", "mlp_only_layers", 3},
        Lie{"qwen3_moe", "mlp_only_layers", json::array{-1}},
        Lie{"qwen2_moe", "shared_expert_intermediate_size", 0},
        Lie{"glm4_moe", "num_experts_per_tok", 9}, Lie{"glm4_moe", "num_experts_per_tok", 13},
        Lie{"glm4_moe", "n_group", 5}, Lie{"glm4_moe", "n_group", 12},
        Lie{"glm4_moe", "topk_group", 4}, Lie{"glm4_moe", "topk_group", 0},
        Lie{"glm4_moe", "routed_scaling_factor", -1.0}, Lie{"glm4_moe", "n_shared_experts", -1}}) {
    EXPECT_THAT(refusal(lie.folder, [&](Altered& c) { c.set(lie.key, lie.value); }),
                HasSubstr(lie.key))
        << lie.folder << ", " << json::value(lie.value);
  }
}

TEST(BadCheckpoint, MoreLayersThanTensorsEndAtTheFirstMissingOne) {
  EXPECT_THAT(refusal("glm", [](Altered& c) { c.set("num_hidden_layers", 1000); }),
              HasSubstr("model.layers.2."));
}

}  // namespace
}  // namespace autoglm
