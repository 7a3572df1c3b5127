// Qwen3 with experts: as Qwen3 (dense), and in each layer that `decoder_sparse_step` and
// `mlp_only_layers` leave, experts chosen by softmax in place of the MLP.
#include "models/blocks.h"
#include "models/mixture.h"

namespace autoglm {

namespace {

// Qwen3MoeConfig's.
constexpr DecoderDefaults kDefaults{.vocab_size = 151936,
                                    .hidden_size = 2048,
                                    .intermediate_size = 6144,
                                    .num_hidden_layers = 24,
                                    .num_key_value_heads = 4,
                                    .max_position_embeddings = 32768};
constexpr int64_t kDefaultInner = 768;
constexpr int64_t kDefaultWindow = 4096;

}  // namespace

Result<Model> record_qwen3_moe(const Checkpoint& checkpoint, ConfigReader& config) {
  const DecoderConfig c = AGLM_TRY(read_decoder(config, {}, kDefaults));
  const Bias bias = AGLM_TRY(config.boolean_or("attention_bias", false)) ? Bias::kYes : Bias::kNo;
  // In all layers; left in place by files that don't enable it.
  const bool slides = AGLM_TRY(config.boolean_or("use_sliding_window", false));
  const int64_t otherwise = config.present("sliding_window") ? 0 : kDefaultWindow;
  const int64_t window = AGLM_TRY(config.integer_or("sliding_window", otherwise, 0, kMostContext));
  Mixture mixture;
  mixture.route = AGLM_TRY(
      read_route(config, {"num_experts", "num_local_experts"}, {.experts = 128, .chosen = 8}));
  mixture.route.renormalize = AGLM_TRY(config.boolean_or("norm_topk_prob", false));
  mixture.inner =
      AGLM_TRY(config.integer_or("moe_intermediate_size", kDefaultInner, 1, kMostColumns));
  const std::vector<bool> sparse = AGLM_TRY(read_sparse_layers(config, c.n_layers));

  return record_decoder(checkpoint, c, [&](Recorder& r, Value x, Layer layer) {
    layer.window = slides ? window : 0;
    const std::string p = layer_prefix(layer.index);
    const auto norm_heads = [&](Value heads, const std::string& name) {
      return rms_norm_heads(heads, r.vector(p + name, c.heads.dim), c.epsilon, c.heads.dim);
    };
    const Value normed = norm(r, x, p + "input_layernorm", c.epsilon);
    Qkv qkv = project_qkv(r, normed, p + "self_attn.", c.heads, bias);
    qkv.q = norm_heads(qkv.q, "self_attn.q_norm.weight");
    qkv.k = norm_heads(qkv.k, "self_attn.k_norm.weight");
    x = x + project(r, attend(qkv, layer), p + "self_attn.o_proj", c.hidden, bias);
    const Value fed = norm(r, x, p + "post_attention_layernorm", c.epsilon);
    if (!sparse[static_cast<size_t>(layer.index)]) {
      return x + swiglu_mlp(r, fed, p + "mlp.", c.intermediate, Bias::kNo);
    }
    return x + mixture_mlp(r, fed, p, mixture, {});
  });
}

}  // namespace autoglm
