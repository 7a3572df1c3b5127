// Qwen2 with experts: as Qwen2, and in each layer that `decoder_sparse_step` and `mlp_only_layers`
// leave, experts chosen by softmax and a shared one with a sigmoid gate of its own in place of the
// MLP.
#include "models/blocks.h"
#include "models/mixture.h"
#include "models/window_layers.h"

namespace autoglm {

namespace {

// Qwen2MoeConfig's.
constexpr DecoderDefaults kDefaults{.vocab_size = 151936,
                                    .hidden_size = 2048,
                                    .intermediate_size = 5632,
                                    .num_hidden_layers = 24,
                                    .num_attention_heads = 16,
                                    .num_key_value_heads = 16,
                                    .max_position_embeddings = 32768};
constexpr int64_t kDefaultInner = 1408;
constexpr int64_t kDefaultShared = 5632;

constexpr MixtureNames kNames{.shared = "mlp.shared_expert.",
                              .shared_gate = "mlp.shared_expert_gate.weight"};

}  // namespace

Result<Model> record_qwen2_moe(const Checkpoint& checkpoint, ConfigReader& config) {
  const DecoderConfig c = AGLM_TRY(read_decoder(config, {}, kDefaults));
  const std::vector<int64_t> windows =
      AGLM_TRY(read_windows(config, c.n_layers, WindowRule::kEverySecond));
  const Bias bias = AGLM_TRY(config.boolean_or("qkv_bias", true)) ? Bias::kYes : Bias::kNo;
  Mixture mixture;
  mixture.route = AGLM_TRY(
      read_route(config, {"num_experts", "num_local_experts"}, {.experts = 60, .chosen = 4}));
  mixture.route.renormalize = AGLM_TRY(config.boolean_or("norm_topk_prob", false));
  mixture.route.shared_gate = true;
  mixture.inner =
      AGLM_TRY(config.integer_or("moe_intermediate_size", kDefaultInner, 1, kMostColumns));
  mixture.shared = AGLM_TRY(
      config.integer_or("shared_expert_intermediate_size", kDefaultShared, 1, kMostColumns));
  const std::vector<bool> sparse = AGLM_TRY(read_sparse_layers(config, c.n_layers));

  return record_decoder(checkpoint, c, [&](Recorder& r, Value x, Layer layer) {
    layer.window = windows[static_cast<size_t>(layer.index)];
    const std::string p = layer_prefix(layer.index);
    const Value normed = norm(r, x, p + "input_layernorm", c.epsilon);
    const Qkv qkv = project_qkv(r, normed, p + "self_attn.", c.heads, bias);
    x = x + project(r, attend(qkv, layer), p + "self_attn.o_proj", c.hidden, Bias::kNo);
    const Value fed = norm(r, x, p + "post_attention_layernorm", c.epsilon);
    if (!sparse[static_cast<size_t>(layer.index)]) {
      return x + swiglu_mlp(r, fed, p + "mlp.", c.intermediate, Bias::kNo);
    }
    return x + mixture_mlp(r, fed, p, mixture, kNames);
  });
}

}  // namespace autoglm
