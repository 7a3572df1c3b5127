#include "formats/gguf_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "formats/gguf_mixture.h"

namespace autoglm {
namespace {

constexpr std::array kArchitectures{
    GgufArchitecture{"llama", "LlamaForCausalLM", "llama", true, false, true},
    GgufArchitecture{"qwen2", "Qwen2ForCausalLM", "qwen2", false, false, false},
    GgufArchitecture{"qwen3", "Qwen3ForCausalLM", "qwen3", false, false, true},
    GgufArchitecture{"chatglm", "GlmForCausalLM", "glm", false, true, true},
    GgufArchitecture{"glm4", "Glm4ForCausalLM", "glm4", false, true, true},
    GgufArchitecture{"qwen2moe", "Qwen2MoeForCausalLM", "qwen2_moe", false, false, false,
                     Mixtures::kQwen2},
    GgufArchitecture{"qwen3moe", "Qwen3MoeForCausalLM", "qwen3_moe", false, false, true,
                     Mixtures::kQwen3},
    GgufArchitecture{"glm4moe", "Glm4MoeForCausalLM", "glm4_moe", false, false, true,
                     Mixtures::kGlm4},
};
// What a llama with experts is.
constexpr GgufArchitecture kMixtral{"llama", "MixtralForCausalLM", "mixtral", true, false,
                                    false,   Mixtures::kMixtral};

// No model comes near; more would make products of sizes overflow or loops run long.
constexpr int64_t kMaxLayers = 10'000;
constexpr int64_t kMaxExperts = 1 << 16;
constexpr int64_t kMaxSize = int64_t{1} << 28;

std::string key_of(std::string_view architecture, std::string_view name) {
  return fmt::format("{}.{}", architecture, name);
}

Result<int64_t> in_range(const Gguf& gguf, const std::string& key, int64_t value, int64_t highest) {
  if (value >= 1 && value <= highest) return value;
  return gguf.wrong(key, fmt::format("1 to {}", highest));
}

Result<int64_t> required(const Gguf& gguf, const std::string& key, int64_t highest) {
  const auto value = AGLM_TRY(gguf.integer(key));
  if (!value) return gguf.wrong(key, fmt::format("1 to {}", highest));
  return in_range(gguf, key, *value, highest);
}

Result<int64_t> optional(const Gguf& gguf, const std::string& key, int64_t otherwise,
                         int64_t highest) {
  const auto value = AGLM_TRY(gguf.integer(key));
  if (!value) return otherwise;
  return in_range(gguf, key, *value, highest);
}

// Numbers are f32 in the file; written as the shortest decimal that means the same f32, as the
// checkpoint's author wrote it (1e-05, not 9.999999747e-06).
double as_written(double value) {
  const std::string shortest = fmt::format("{}", static_cast<float>(value));
  return std::strtod(shortest.c_str(), nullptr);
}

Result<double> number_or(const Gguf& gguf, const std::string& key, double otherwise) {
  const auto value = AGLM_TRY(gguf.number(key));
  if (!value) return otherwise;
  if (!std::isfinite(*value)) return gguf.wrong(key, "a finite number");
  return as_written(*value);
}

bool has_tensor(const Gguf& gguf, std::string_view name) {
  return std::any_of(gguf.tensors.begin(), gguf.tensors.end(),
                     [&](const StoredTensor& tensor) { return tensor.name == name; });
}

const StoredTensor* find_tensor(const Gguf& gguf, std::string_view name) {
  for (const StoredTensor& tensor : gguf.tensors) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

// linear and yarn. Llama 3's is a tensor of divisors, rope_freqs.weight, which stays a tensor.
Result<void> add_rope_scaling(const Gguf& gguf, std::string_view arch, json::object& config) {
  const std::string type_key = key_of(arch, "rope.scaling.type");
  const std::string factor_key = key_of(arch, "rope.scaling.factor");
  // Files of 2023 have this key alone, and mean linear.
  const double old_factor = AGLM_TRY(number_or(gguf, key_of(arch, "rope.scale_linear"), 1.0));
  const double factor = AGLM_TRY(number_or(gguf, factor_key, old_factor));
  const auto type = AGLM_TRY(gguf.string(type_key)).value_or(factor != 1.0 ? "linear" : "none");
  if (type == "none") return {};
  if (factor <= 0) return gguf.wrong(factor_key, "more than 0");
  json::object scaling{{"rope_type", type}, {"factor", factor}};
  if (type == "yarn") {
    const std::string length_key = key_of(arch, "rope.scaling.original_context_length");
    if (const auto length = AGLM_TRY(gguf.integer(length_key))) {
      scaling["original_max_position_embeddings"] =
          AGLM_TRY(in_range(gguf, length_key, *length, kMaxSize));
    }
    for (const auto& [from, to] : {std::pair{"rope.scaling.yarn_beta_fast", "beta_fast"},
                                   std::pair{"rope.scaling.yarn_beta_slow", "beta_slow"}}) {
      if (gguf.find(key_of(arch, from)) != nullptr) {
        scaling[to] = AGLM_TRY(number_or(gguf, key_of(arch, from), 0));
      }
    }
    // llama.cpp multiplies the usual 0.1 ln(factor) + 1; transformers takes the product.
    const double attention = AGLM_TRY(number_or(gguf, key_of(arch, "rope.scaling.attn_factor"), 1));
    if (attention != 1.0) {
      scaling["attention_factor"] = attention * (0.1 * std::log(std::max(factor, 1.0)) + 1.0);
    }
  } else if (type != "linear") {
    return gguf.wrong(type_key, "none, linear or yarn");
  }
  config["rope_scaling"] = std::move(scaling);
  return {};
}

}  // namespace

const GgufArchitecture* find_architecture(std::string_view gguf_name) {
  for (const GgufArchitecture& architecture : kArchitectures) {
    if (architecture.gguf_name == gguf_name) return &architecture;
  }
  return nullptr;
}

Error unknown_architecture(const Gguf& gguf, std::string_view found) {
  std::vector<std::string_view> known;
  for (const GgufArchitecture& architecture : kArchitectures) {
    known.push_back(architecture.gguf_name);
  }
  return Error{ErrorCode::kUnsupported, "architecture is not supported",
               fmt::format("{}: general.architecture", gguf.where),
               fmt::format("{}", fmt::join(known, ", ")), printable(found)};
}

Result<GgufModel> read_model(const Gguf& gguf) {
  const auto name = AGLM_TRY(gguf.string("general.architecture"));
  if (!name) return gguf.wrong("general.architecture", "the architecture's name");
  GgufModel model;
  model.architecture = find_architecture(*name);
  if (model.architecture == nullptr) return unknown_architecture(gguf, *name);
  const auto key = [&](std::string_view rest) { return key_of(*name, rest); };
  model.experts = AGLM_TRY(gguf.integer(key("expert_count"))).value_or(0);
  if (model.experts != 0 && *name == "llama") model.architecture = &kMixtral;
  if (model.architecture->mixture != Mixtures::kNone) {
    model.experts = AGLM_TRY(required(gguf, key("expert_count"), kMaxExperts));
  } else if (model.experts != 0) {
    return Error{ErrorCode::kUnsupported, "architecture has no experts",
                 fmt::format("{}: {}", gguf.where, key("expert_count")), "0 experts",
                 fmt::format("{}", model.experts)};
  }
  model.layers = AGLM_TRY(required(gguf, key("block_count"), kMaxLayers));
  model.further_layers = AGLM_TRY(gguf.integer(key("nextn_predict_layers"))).value_or(0);
  if (model.further_layers < 0 || model.further_layers >= model.layers) {
    return gguf.wrong(key("nextn_predict_layers"), fmt::format("fewer than {}", model.layers));
  }
  model.layers -= model.further_layers;
  model.hidden_size = AGLM_TRY(required(gguf, key("embedding_length"), kMaxSize));
  model.intermediate_size = AGLM_TRY(required(gguf, key("feed_forward_length"), kMaxSize));
  model.heads = AGLM_TRY(required(gguf, key("attention.head_count"), kMaxSize));
  model.kv_heads =
      AGLM_TRY(optional(gguf, key("attention.head_count_kv"), model.heads, model.heads));
  const int64_t even_share = std::max<int64_t>(model.hidden_size / model.heads, 1);
  model.head_dim = AGLM_TRY(optional(gguf, key("attention.key_length"), even_share, kMaxSize));
  if (model.heads * model.head_dim > kMaxSize) {
    return gguf.wrong(key("attention.head_count"), "heads of at most 2^28 dimensions together");
  }
  const int64_t value_dim =
      AGLM_TRY(optional(gguf, key("attention.value_length"), model.head_dim, kMaxSize));
  if (value_dim != model.head_dim) {
    return gguf.wrong(key("attention.value_length"),
                      fmt::format("{}, the same as keys", model.head_dim));
  }
  model.rotated =
      AGLM_TRY(optional(gguf, key("rope.dimension_count"), model.head_dim, model.head_dim));
  if (model.rotated % 2 != 0) return gguf.wrong(key("rope.dimension_count"), "an even number");
  return model;
}

Result<json::object> translate_config(const Gguf& gguf, const GgufModel& model) {
  const GgufArchitecture& architecture = *model.architecture;
  const auto key = [&](std::string_view rest) { return key_of(architecture.gguf_name, rest); };
  const StoredTensor* embedding = find_tensor(gguf, "token_embd.weight");
  if (embedding == nullptr || embedding->shape.size() != 2 ||
      embedding->shape[1] != model.hidden_size) {
    return Error{
        ErrorCode::kCorrupt, "embedding is missing or has the wrong shape",
        fmt::format("{}: token_embd.weight", gguf.where),
        fmt::format("[vocabulary, {}]", model.hidden_size),
        embedding == nullptr ? "nothing" : fmt::format("[{}]", fmt::join(embedding->shape, ", "))};
  }
  const std::string window_key = key("attention.sliding_window");
  const auto window = AGLM_TRY(gguf.integer(window_key));
  const bool is_mistral = architecture.model_type == "llama" && window && *window > 0;
  const double rope_theta = AGLM_TRY(number_or(gguf, key("rope.freq_base"), 10000.0));
  if (rope_theta <= 0) return gguf.wrong(key("rope.freq_base"), "more than 0");

  json::object config;
  config["architectures"] =
      json::array{is_mistral ? std::string_view("MistralForCausalLM") : architecture.class_name};
  config["model_type"] = is_mistral ? std::string_view("mistral") : architecture.model_type;
  config["vocab_size"] = embedding->shape[0];
  config["hidden_size"] = model.hidden_size;
  config["intermediate_size"] = model.intermediate_size;
  config["num_hidden_layers"] = model.layers;
  config["num_attention_heads"] = model.heads;
  config["num_key_value_heads"] = model.kv_heads;
  config["head_dim"] = model.head_dim;
  config["max_position_embeddings"] = AGLM_TRY(required(gguf, key("context_length"), kMaxSize));
  const std::string eps_key = key("attention.layer_norm_rms_epsilon");
  if (gguf.find(eps_key) == nullptr) return gguf.wrong(eps_key, "a number");
  config["rms_norm_eps"] = AGLM_TRY(number_or(gguf, eps_key, 0));
  config["hidden_act"] = "silu";
  config["rope_theta"] = rope_theta;
  config["partial_rotary_factor"] =
      static_cast<double>(model.rotated) / static_cast<double>(model.head_dim);
  AGLM_TRY(add_rope_scaling(gguf, architecture.gguf_name, config));
  config["tie_word_embeddings"] = !has_tensor(gguf, "output.weight");
  if (architecture.optional_biases && !is_mistral) {
    config["attention_bias"] =
        has_tensor(gguf, "blk.0.attn_q.bias") || has_tensor(gguf, "blk.0.attn_qkv.bias");
  }
  if (has_tensor(gguf, "blk.0.ffn_up.bias")) config["mlp_bias"] = true;
  if (window && *window > 0) {
    config["sliding_window"] = AGLM_TRY(in_range(gguf, window_key, *window, kMaxSize));
  }
  AGLM_TRY(add_mixture(gguf, model, config));
  return config;
}

Result<json::object> translate_generation_config(const Gguf& gguf) {
  json::object config;
  const auto id = [&](std::string_view name) {
    return gguf.integer(fmt::format("tokenizer.ggml.{}_token_id", name));
  };
  if (const auto bos = AGLM_TRY(id("bos"))) config["bos_token_id"] = *bos;
  if (const auto padding = AGLM_TRY(id("padding"))) config["pad_token_id"] = *padding;

  std::set<int64_t> ends;
  for (const char* name : {"eos", "eot", "eom"}) {
    if (const auto end = AGLM_TRY(id(name)); end && *end >= 0 && *end < 0xffffffff) {
      ends.insert(*end);
    }
  }
  if (!ends.empty()) config["eos_token_id"] = json::array(ends.begin(), ends.end());

  for (const auto& [from, to] :
       {std::pair{"temp", "temperature"}, std::pair{"top_p", "top_p"}, std::pair{"min_p", "min_p"},
        std::pair{"penalty_repeat", "repetition_penalty"}}) {
    const std::string key = fmt::format("general.sampling.{}", from);
    if (gguf.find(key) != nullptr) config[to] = AGLM_TRY(number_or(gguf, key, 0));
  }
  if (const auto top_k = AGLM_TRY(gguf.integer("general.sampling.top_k"))) {
    config["top_k"] = *top_k;
  }
  return config;
}

}  // namespace autoglm
