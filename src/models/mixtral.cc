// Mixtral: Mistral with experts in every layer, whose weights always sum to one.
#include "models/blocks.h"
#include "models/mixture.h"

namespace autoglm {

namespace {

// MixtralConfig's.
constexpr DecoderDefaults kDefaults{.vocab_size = 32000,
                                    .intermediate_size = 14336,
                                    .num_key_value_heads = 8,
                                    .max_position_embeddings = 131072,
                                    .rms_norm_eps = 1e-5};
constexpr double kDefaultTheta = 1e6;

constexpr MixtureNames kNames{.router = "block_sparse_moe.gate.weight",
                              .experts = "block_sparse_moe.experts.",
                              .gate = "w1",
                              .up = "w3",
                              .down = "w2"};

}  // namespace

Result<Model> record_mixtral(const Checkpoint& checkpoint, ConfigReader& config) {
  const DecoderConfig c =
      AGLM_TRY(read_decoder(config, {.default_theta = kDefaultTheta}, kDefaults));
  const int64_t window = AGLM_TRY(config.integer_or("sliding_window", 0, 1, kMostContext));
  Mixture mixture{.inner = c.intermediate};
  mixture.route = AGLM_TRY(
      read_route(config, {"num_local_experts", "num_experts"}, {.experts = 8, .chosen = 2}));
  mixture.route.renormalize = true;
  // What transformers 5 calls them in memory, fused experts among them.
  const bool usual = checkpoint.find(layer_prefix(0) + "mlp.gate.weight") != nullptr;

  return record_decoder(checkpoint, c, [&](Recorder& r, Value x, Layer layer) {
    layer.window = window;
    const std::string p = layer_prefix(layer.index);
    const Value normed = norm(r, x, p + "input_layernorm", c.epsilon);
    const Qkv qkv = project_qkv(r, normed, p + "self_attn.", c.heads, Bias::kNo);
    x = x + project(r, attend(qkv, layer), p + "self_attn.o_proj", c.hidden, Bias::kNo);
    const Value fed = norm(r, x, p + "post_attention_layernorm", c.epsilon);
    return x + mixture_mlp(r, fed, p, mixture, usual ? MixtureNames{} : kNames);
  });
}

}  // namespace autoglm
