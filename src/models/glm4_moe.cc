// GLM-4.5 to 4.7: two norms a layer, rotary on half of each head (half-split, unlike the dense
// GLM-4), heads of q and k normed where a flag says so. The first layers have an MLP, the others
// experts, chosen by sigmoid with a bias, and shared ones.
#include <fmt/format.h>

#include "models/blocks.h"
#include "models/mixture.h"

namespace autoglm {

namespace {

// Glm4MoeConfig's.
constexpr DecoderDefaults kDefaults{.vocab_size = 151552,
                                    .intermediate_size = 10944,
                                    .num_hidden_layers = 46,
                                    .num_attention_heads = 96,
                                    .num_key_value_heads = 8,
                                    .max_position_embeddings = 131072,
                                    .rms_norm_eps = 1e-5};
constexpr int64_t kDefaultInner = 1408;
constexpr double kMostScale = 1e6;

constexpr MixtureNames kNames{.bias = "mlp.gate.e_score_correction_bias",
                              .shared = "mlp.shared_experts."};

Result<Mixture> read_mixture(ConfigReader& config) {
  Mixture mixture;
  RouteSpec& route = mixture.route;
  route = AGLM_TRY(
      read_route(config, {"n_routed_experts", "num_local_experts"}, {.experts = 128, .chosen = 8}));
  route.score = RouteScore::kSigmoid;
  route.renormalize = AGLM_TRY(config.boolean_or("norm_topk_prob", true));
  route.scale =
      static_cast<float>(AGLM_TRY(config.positive_or("routed_scaling_factor", 1, kMostScale)));
  route.groups = static_cast<int32_t>(AGLM_TRY(config.integer_or("n_group", 1, 1, route.experts)));
  if (route.experts % route.groups != 0 || (route.groups > 1 && route.experts / route.groups < 2)) {
    return config.wrong(
        "n_group", "groups of experts are not of equal size, or too small",
        fmt::format("a divisor of {} experts that leaves two in each group", route.experts));
  }
  route.chosen_groups =
      static_cast<int32_t>(AGLM_TRY(config.integer_or("topk_group", 1, 1, route.groups)));
  const int32_t reachable = route.experts / route.groups * route.chosen_groups;
  if (route.chosen > reachable) {
    return config.wrong("num_experts_per_tok", "the chosen groups have fewer experts",
                        fmt::format("at most {}", reachable));
  }
  mixture.inner =
      AGLM_TRY(config.integer_or("moe_intermediate_size", kDefaultInner, 1, kMostColumns));
  const int64_t n_shared = AGLM_TRY(config.integer_or("n_shared_experts", 1, 0, kMostExperts));
  mixture.shared = n_shared * mixture.inner;
  if (mixture.shared > kMostColumns) {
    return config.wrong("n_shared_experts", "shared experts are too wide together",
                        fmt::format("at most {} columns", kMostColumns));
  }
  return mixture;
}

}  // namespace

Result<Model> record_glm4_moe(const Checkpoint& checkpoint, ConfigReader& config) {
  const DecoderConfig c = AGLM_TRY(read_decoder(config, {.default_partial = 0.5}, kDefaults));
  const Bias bias = AGLM_TRY(config.boolean_or("attention_bias", false)) ? Bias::kYes : Bias::kNo;
  const bool norms_heads = AGLM_TRY(config.boolean_or("use_qk_norm", false));
  const int64_t n_dense = AGLM_TRY(config.integer_or("first_k_dense_replace", 1, 0, kMostLayers));
  const Mixture mixture = AGLM_TRY(read_mixture(config));
  // Layers behind the last predict further tokens; a model answers without them.
  const std::string_view further_key =
      config.has("num_nextn_predict_layers") ? "num_nextn_predict_layers" : "num_mtp_layers";
  const int64_t further = AGLM_TRY(config.integer_or(further_key, 0, 0, kMostLayers));

  return record_decoder(checkpoint, c, [&](Recorder& r, Value x, const Layer& layer) {
    if (layer.index == 0) {
      for (int64_t i = 0; i < further; ++i) r.ignore(layer_prefix(c.n_layers + i));
    }
    const std::string p = layer_prefix(layer.index);
    const auto norm_heads = [&](Value heads, const std::string& name) {
      return rms_norm_heads(heads, r.vector(p + name, c.heads.dim), c.epsilon, c.heads.dim);
    };
    const Value normed = norm(r, x, p + "input_layernorm", c.epsilon);
    Qkv qkv = project_qkv(r, normed, p + "self_attn.", c.heads, bias);
    if (norms_heads) {
      qkv.q = norm_heads(qkv.q, "self_attn.q_norm.weight");
      qkv.k = norm_heads(qkv.k, "self_attn.k_norm.weight");
    }
    x = x + project(r, attend(qkv, layer), p + "self_attn.o_proj", c.hidden, Bias::kNo);
    const Value fed = norm(r, x, p + "post_attention_layernorm", c.epsilon);
    if (layer.index < n_dense) {
      return x + swiglu_mlp(r, fed, p + "mlp.", c.intermediate, Bias::kNo);
    }
    return x + mixture_mlp(r, fed, p, mixture, kNames);
  });
}

}  // namespace autoglm
