#include "formats/synthetic_model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <utility>

#include "base/check.h"

namespace autoglm {
namespace {

constexpr double kRopeTheta = 10000.0;
constexpr float kEpsilon = 1e-5f;
constexpr int64_t kMaxSize = int64_t{1} << 24;  // keeps every product far from overflow

enum class Experts : uint8_t { kNone, kMixtral, kQwen2, kQwen3, kGlm4 };

struct Family {
  std::string_view architecture;
  std::string_view model_type;
  std::string_view gguf_name;
  bool qkv_bias = false;
  bool head_norms = false;      // on q and k
  bool fused_gate_up = false;   // and rotary embedding on half of each head
  bool sandwich_norms = false;  // after each block too
  bool fused_qkv = false;       // and ChatGLM's own names
  Experts experts = Experts::kNone;
};

constexpr std::array kFamilies{
    Family{.architecture = "LlamaForCausalLM", .model_type = "llama", .gguf_name = "llama"},
    Family{.architecture = "MistralForCausalLM", .model_type = "mistral", .gguf_name = "llama"},
    Family{.architecture = "Qwen2ForCausalLM",
           .model_type = "qwen2",
           .gguf_name = "qwen2",
           .qkv_bias = true},
    Family{.architecture = "Qwen3ForCausalLM",
           .model_type = "qwen3",
           .gguf_name = "qwen3",
           .head_norms = true},
    Family{.architecture = "GlmForCausalLM",
           .model_type = "glm",
           .gguf_name = "chatglm",
           .qkv_bias = true,
           .fused_gate_up = true},
    Family{.architecture = "Glm4ForCausalLM",
           .model_type = "glm4",
           .gguf_name = "glm4",
           .qkv_bias = true,
           .fused_gate_up = true,
           .sandwich_norms = true},
    Family{.architecture = "ChatGLMModel",
           .model_type = "chatglm",
           .gguf_name = "chatglm",
           .qkv_bias = true,
           .fused_gate_up = true,
           .fused_qkv = true},
    Family{.architecture = "MixtralForCausalLM",
           .model_type = "mixtral",
           .gguf_name = "llama",
           .experts = Experts::kMixtral},
    Family{.architecture = "Qwen2MoeForCausalLM",
           .model_type = "qwen2_moe",
           .gguf_name = "qwen2moe",
           .qkv_bias = true,
           .experts = Experts::kQwen2},
    Family{.architecture = "Qwen3MoeForCausalLM",
           .model_type = "qwen3_moe",
           .gguf_name = "qwen3moe",
           .head_norms = true,
           .experts = Experts::kQwen3},
    Family{.architecture = "Glm4MoeForCausalLM",
           .model_type = "glm4_moe",
           .gguf_name = "glm4moe",
           .qkv_bias = true,
           .head_norms = true,
           .experts = Experts::kGlm4},
};

const Family* find_family(std::string_view architecture) {
  for (const Family& family : kFamilies) {
    if (family.architecture == architecture) return &family;
  }
  return nullptr;
}

// Rotary embedding on half of each head.
bool turns_half(const Family& family) {
  return family.fused_gate_up || family.experts == Experts::kGlm4;
}

const Family& family_of(const SyntheticShape& shape) {
  const Family* family = find_family(shape.architecture);
  AGLM_CHECK(family != nullptr, "{} was not checked", shape.architecture);
  return *family;
}

// Collects the tensors of one model under both names.
class List {
 public:
  List(const SyntheticShape& shape, bool gguf)
      : shape_(shape), family_(family_of(shape)), gguf_(gguf) {}

  void add(std::string name, std::string gguf, std::vector<int64_t> shape, int64_t permuted = 0) {
    tensors_.push_back({.name = std::move(name),
                        .gguf_name = std::move(gguf),
                        .shape = std::move(shape),
                        .permuted_heads = permuted});
  }

  void add_norm(const std::string& name, const std::string& gguf, int64_t size) {
    add(name + ".weight", gguf + ".weight", {size});
    tensors_.back().around_one = true;
  }

  // A projection [rows, columns] with a bias where the family has one on q, k and v.
  void add_qkv(const std::string& name, const std::string& gguf, int64_t rows,
               int64_t permuted = 0) {
    const int64_t heads = family_.gguf_name == "llama" ? permuted : 0;
    add(name + ".weight", gguf + ".weight", {rows, shape_.hidden_size}, heads);
    if (family_.qkv_bias) add(name + ".bias", gguf + ".bias", {rows}, heads);
  }

  void add_layer(int64_t i) {
    const SyntheticShape& s = shape_;
    const int64_t q_rows = s.heads * s.head_dim;
    const int64_t k_rows = s.kv_heads * s.head_dim;
    const std::string g = fmt::format("blk.{}.", i);
    const bool chatglm = family_.fused_qkv;
    const std::string p = chatglm ? fmt::format("transformer.encoder.layers.{}.", i)
                                  : fmt::format("model.layers.{}.", i);
    add_norm(p + "input_layernorm", g + "attn_norm", s.hidden_size);
    if (chatglm) {
      add_qkv(p + "self_attention.query_key_value", g + "attn_qkv", q_rows + 2 * k_rows);
    } else {
      add_qkv(p + "self_attn.q_proj", g + "attn_q", q_rows, s.heads);
      add_qkv(p + "self_attn.k_proj", g + "attn_k", k_rows, s.kv_heads);
      add_qkv(p + "self_attn.v_proj", g + "attn_v", k_rows);
    }
    if (family_.head_norms) {
      add_norm(p + "self_attn.q_norm", g + "attn_q_norm", s.head_dim);
      add_norm(p + "self_attn.k_norm", g + "attn_k_norm", s.head_dim);
    }
    add(p + (chatglm ? "self_attention.dense.weight" : "self_attn.o_proj.weight"),
        g + "attn_output.weight", {s.hidden_size, q_rows});
    if (family_.sandwich_norms) {
      add_norm(p + "post_self_attn_layernorm", g + "post_attention_norm", s.hidden_size);
    }
    const bool glm_moe = family_.experts == Experts::kGlm4;
    add_norm(p + "post_attention_layernorm", g + (glm_moe ? "post_attention_norm" : "ffn_norm"),
             s.hidden_size);
    if (family_.experts != Experts::kNone && !(glm_moe && i == 0)) return add_experts(p, g);
    if (family_.fused_gate_up) {
      add(p + (chatglm ? "mlp.dense_h_to_4h.weight" : "mlp.gate_up_proj.weight"),
          g + "ffn_up.weight", {2 * s.intermediate_size, s.hidden_size});
    } else {
      add(p + "mlp.gate_proj.weight", g + "ffn_gate.weight", {s.intermediate_size, s.hidden_size});
      add(p + "mlp.up_proj.weight", g + "ffn_up.weight", {s.intermediate_size, s.hidden_size});
    }
    add(p + (chatglm ? "mlp.dense_4h_to_h.weight" : "mlp.down_proj.weight"), g + "ffn_down.weight",
        {s.hidden_size, s.intermediate_size});
    if (family_.sandwich_norms) {
      add_norm(p + "post_mlp_layernorm", g + "post_ffw_norm", s.hidden_size);
    }
  }

  // An expert's three matrices, or those of all experts under one name of GGUF.
  struct Mlp {
    std::string name;    // "model.layers.0.mlp.experts.3."
    std::string suffix;  // of GGUF: "_exps"
    int64_t size = 0;
  };

  void add_mlp(const Mlp& mlp, const std::string& g) {
    const bool mixtral = family_.experts == Experts::kMixtral;
    add(mlp.name + (mixtral ? "w1.weight" : "gate_proj.weight"),
        g + "ffn_gate" + mlp.suffix + ".weight", {mlp.size, shape_.hidden_size});
    add(mlp.name + (mixtral ? "w3.weight" : "up_proj.weight"),
        g + "ffn_up" + mlp.suffix + ".weight", {mlp.size, shape_.hidden_size});
    add(mlp.name + (mixtral ? "w2.weight" : "down_proj.weight"),
        g + "ffn_down" + mlp.suffix + ".weight", {shape_.hidden_size, mlp.size});
  }

  void add_experts(const std::string& p, const std::string& g) {
    const SyntheticShape& s = shape_;
    const std::string block =
        p + (family_.experts == Experts::kMixtral ? "block_sparse_moe." : "mlp.");
    add(block + "gate.weight", g + "ffn_gate_inp.weight", {s.experts, s.hidden_size});
    tensors_.back().router = true;
    if (family_.experts == Experts::kGlm4) {
      add(block + "gate.e_score_correction_bias", g + "exp_probs_b.bias", {s.experts});
      add_mlp({block + "shared_experts.", "_shexp", s.expert_size}, g);
    }
    if (family_.experts == Experts::kQwen2) {
      add_mlp({block + "shared_expert.", "_shexp", s.intermediate_size}, g);
      add(block + "shared_expert_gate.weight", g + "ffn_gate_inp_shexp.weight",
          gguf_ ? std::vector{s.hidden_size} : std::vector<int64_t>{1, s.hidden_size});
      tensors_.back().router = true;
    }
    const size_t first = tensors_.size();
    const auto name = [&](int64_t e) { return fmt::format("{}experts.{}.", block, e); };
    add_mlp({name(0), "_exps", s.expert_size}, g);
    if (!gguf_) {
      for (int64_t e = 1; e < s.experts; ++e) add_mlp({name(e), "_exps", s.expert_size}, g);
      return;
    }
    for (size_t i = first; i < tensors_.size(); ++i) {
      SyntheticTensor& tensor = tensors_[i];
      const std::string piece = tensor.name.substr(name(0).size());
      for (int64_t e = 0; e < s.experts; ++e) tensor.experts.push_back(name(e) + piece);
      tensor.shape.insert(tensor.shape.begin(), s.experts);
    }
  }

  std::vector<SyntheticTensor> take() && {
    const SyntheticShape& s = shape_;
    const bool chatglm = family_.fused_qkv;
    add(chatglm ? "transformer.embedding.word_embeddings.weight" : "model.embed_tokens.weight",
        "token_embd.weight", {s.vocab_size, s.hidden_size});
    for (int64_t i = 0; i < s.layers; ++i) add_layer(i);
    add_norm(chatglm ? "transformer.encoder.final_layernorm" : "model.norm", "output_norm",
             s.hidden_size);
    if (!s.tie_word_embeddings) {
      add(chatglm ? "transformer.output_layer.weight" : "lm_head.weight", "output.weight",
          {s.vocab_size, s.hidden_size});
    }
    return std::move(tensors_);
  }

 private:
  const SyntheticShape& shape_;
  const Family& family_;
  const bool gguf_;
  std::vector<SyntheticTensor> tensors_;
};

// What config.json says of experts.
void add_expert_keys(const SyntheticShape& s, Experts experts, json::object& config) {
  config["num_experts_per_tok"] = s.experts_per_token;
  switch (experts) {
    case Experts::kNone: break;
    case Experts::kMixtral:
      config["num_local_experts"] = s.experts;
      config["intermediate_size"] = s.expert_size;
      return;
    case Experts::kQwen2:
      config["num_experts"] = s.experts;
      config["shared_expert_intermediate_size"] = s.intermediate_size;
      config["norm_topk_prob"] = false;
      break;
    case Experts::kQwen3:
      config["num_experts"] = s.experts;
      config["norm_topk_prob"] = true;
      break;
    case Experts::kGlm4:
      config["n_routed_experts"] = s.experts;
      config["n_shared_experts"] = 1;
      config["first_k_dense_replace"] = 1;
      config["norm_topk_prob"] = true;
      config["routed_scaling_factor"] = 1.0;
      config["n_group"] = 1;
      config["topk_group"] = 1;
      config["use_qk_norm"] = true;
      config["num_nextn_predict_layers"] = 0;
      break;
  }
  config["moe_intermediate_size"] = s.expert_size;
}

std::string_view torch_dtype(DType dtype) {
  if (dtype == DType::kF16) return "float16";
  return dtype == DType::kBF16 ? "bfloat16" : "float32";
}

// As THUDM/chatglm3-6b spells them.
json::object chatglm_config(const SyntheticShape& s) {
  return json::object{{"num_layers", s.layers},
                      {"padded_vocab_size", s.vocab_size},
                      {"hidden_size", s.hidden_size},
                      {"ffn_hidden_size", s.intermediate_size},
                      {"kv_channels", s.head_dim},
                      {"num_attention_heads", s.heads},
                      {"seq_length", s.max_position_embeddings},
                      {"layernorm_epsilon", 1e-5},
                      {"rmsnorm", true},
                      {"apply_residual_connection_post_layernorm", false},
                      {"post_layer_norm", true},
                      {"add_bias_linear", false},
                      {"add_qkv_bias", true},
                      {"multi_query_attention", true},
                      {"multi_query_group_num", s.kv_heads},
                      {"rope_ratio", 1.0},
                      {"original_rope", true},
                      {"tie_word_embeddings", false}};
}

}  // namespace

Result<void> check_shape(const SyntheticShape& s) {
  const Family* family = find_family(s.architecture);
  const auto refuse = [](std::string_view field, std::string expected, std::string found) {
    return Error{ErrorCode::kInvalidArgument, "synthetic model cannot have this shape",
                 std::string(field), std::move(expected), std::move(found)};
  };
  if (family == nullptr) {
    std::vector<std::string_view> known;
    for (const Family& each : kFamilies) known.push_back(each.architecture);
    return refuse("architecture", fmt::format("{}", fmt::join(known, ", ")), s.architecture);
  }
  const std::pair<std::string_view, int64_t> sizes[] = {
      {"layers", s.layers},
      {"hidden_size", s.hidden_size},
      {"intermediate_size", s.intermediate_size},
      {"heads", s.heads},
      {"kv_heads", s.kv_heads},
      {"head_dim", s.head_dim},
      {"vocab_size", s.vocab_size},
      {"max_position_embeddings", s.max_position_embeddings}};
  for (const auto& [field, size] : sizes) {
    const int64_t least = field == "vocab_size" ? 259 : 1;
    if (size < least || size > kMaxSize) {
      return refuse(field, fmt::format("{} to {}", least, kMaxSize), fmt::format("{}", size));
    }
  }
  if (family->experts != Experts::kNone) {
    if (s.experts < 2 || s.experts > 4096) {
      return refuse("experts", "2 to 4096", fmt::format("{}", s.experts));
    }
    if (s.experts_per_token < 1 || s.experts_per_token > s.experts) {
      return refuse("experts_per_token", fmt::format("1 to {}", s.experts),
                    fmt::format("{}", s.experts_per_token));
    }
    if (s.expert_size < 1 || s.expert_size > kMaxSize) {
      return refuse("expert_size", fmt::format("1 to {}", kMaxSize),
                    fmt::format("{}", s.expert_size));
    }
  } else if (s.experts != 0) {
    return refuse("experts", fmt::format("none for {}", s.architecture),
                  fmt::format("{}", s.experts));
  }
  if (s.heads % s.kv_heads != 0) {
    return refuse("kv_heads", fmt::format("a divisor of {} heads", s.heads),
                  fmt::format("{}", s.kv_heads));
  }
  const int64_t multiple = turns_half(*family) ? 4 : 2;
  if (s.head_dim % multiple != 0) {
    return refuse("head_dim", fmt::format("a multiple of {}", multiple),
                  fmt::format("{}", s.head_dim));
  }
  if (family->fused_qkv && s.tie_word_embeddings) {
    return refuse("tie_word_embeddings", "false for ChatGLMModel", "true");
  }
  return {};
}

std::vector<SyntheticTensor> synthetic_tensors(const SyntheticShape& shape, bool gguf) {
  return List(shape, gguf).take();
}

bool has_experts(std::string_view architecture) {
  const Family* family = find_family(architecture);
  return family != nullptr && family->experts != Experts::kNone;
}

json::object synthetic_config(const SyntheticShape& s, DType dtype) {
  const Family& family = family_of(s);
  json::object config;
  if (family.fused_qkv) {
    config = chatglm_config(s);
  } else {
    config = json::object{{"vocab_size", s.vocab_size},
                          {"hidden_size", s.hidden_size},
                          {"intermediate_size", s.intermediate_size},
                          {"num_hidden_layers", s.layers},
                          {"num_attention_heads", s.heads},
                          {"num_key_value_heads", s.kv_heads},
                          {"head_dim", s.head_dim},
                          {"max_position_embeddings", s.max_position_embeddings},
                          {"rms_norm_eps", 1e-5},
                          {"hidden_act", "silu"},
                          {"rope_theta", kRopeTheta},
                          {"tie_word_embeddings", s.tie_word_embeddings}};
    if (family.model_type == "mistral") config["sliding_window"] = nullptr;
    const bool flagged = family.model_type != "mistral" && family.model_type != "mixtral" &&
                         family.model_type != "qwen2" && family.model_type != "qwen2_moe";
    if (flagged) config["attention_bias"] = family.qkv_bias;
    if (turns_half(family)) config["partial_rotary_factor"] = 0.5;
    if (family.experts != Experts::kNone) add_expert_keys(s, family.experts, config);
  }
  config["architectures"] = json::array{family.architecture};
  config["model_type"] = family.model_type;
  config["eos_token_id"] = s.vocab_size - 3;
  config["pad_token_id"] = s.vocab_size - 3;
  config["torch_dtype"] = torch_dtype(dtype);
  return config;
}

namespace {

// What GGUF calls the mixture of formats in a file (general.file_type): here one for all matrices.
// Peers refuse a file that does not say.
uint32_t gguf_file_type(DType dtype) {
  switch (dtype) {
    case DType::kF16: return 1;
    case DType::kQ4_0: return 2;
    case DType::kQ4_1: return 3;
    case DType::kQ8_0: return 7;
    case DType::kQ5_0: return 8;
    case DType::kQ5_1: return 9;
    case DType::kQ4_K: return 15;
    case DType::kQ5_K: return 17;
    case DType::kQ6_K: return 18;
    case DType::kBF16: return 32;
    default: return 0;  // f32
  }
}

}  // namespace

void add_synthetic_metadata(const SyntheticShape& s, DType dtype, GgufMetadata& metadata) {
  const Family& family = family_of(s);
  const auto key = [&](std::string_view name) {
    return fmt::format("{}.{}", family.gguf_name, name);
  };
  const auto add = [&](std::string_view name, int64_t value) {
    metadata.add_uint32(key(name), static_cast<uint32_t>(value));
  };
  metadata.add_string("general.architecture", family.gguf_name);
  metadata.add_string("general.name", "synthetic");
  metadata.add_uint32("general.file_type", gguf_file_type(dtype));
  metadata.add_uint32("general.quantization_version", 2);
  add("vocab_size", s.vocab_size);
  add("context_length", s.max_position_embeddings);
  add("embedding_length", s.hidden_size);
  add("block_count", s.layers);
  const bool mixtral = family.experts == Experts::kMixtral;
  add("feed_forward_length", mixtral ? s.expert_size : s.intermediate_size);
  add("rope.dimension_count", turns_half(family) ? s.head_dim / 2 : s.head_dim);
  metadata.add_float32(key("rope.freq_base"), static_cast<float>(kRopeTheta));
  add("attention.head_count", s.heads);
  add("attention.head_count_kv", s.kv_heads);
  add("attention.key_length", s.head_dim);
  add("attention.value_length", s.head_dim);
  metadata.add_float32(key("attention.layer_norm_rms_epsilon"), kEpsilon);
  if (family.experts == Experts::kNone) return;
  add("expert_count", s.experts);
  add("expert_used_count", s.experts_per_token);
  add("expert_feed_forward_length", s.expert_size);
  if (family.experts == Experts::kQwen2) {
    add("expert_shared_feed_forward_length", s.intermediate_size);
  }
  if (family.experts != Experts::kGlm4) return;
  add("expert_shared_count", 1);
  add("leading_dense_block_count", 1);
  add("expert_gating_func", 2);  // sigmoid
  metadata.add_float32(key("expert_weights_scale"), 1.0f);
  metadata.add_bool(key("expert_weights_norm"), true);
}

}  // namespace autoglm
