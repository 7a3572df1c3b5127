// Qwen3 (dense): each head of q and k is normed before it is rotated; biases are a flag.
#include "models/blocks.h"
#include "models/window_layers.h"

namespace autoglm {

namespace {

// Qwen3Config's.
constexpr DecoderDefaults kDefaults{.vocab_size = 151936,
                                    .intermediate_size = 22016,
                                    .num_key_value_heads = 32,
                                    .head_dim = 128,
                                    .max_position_embeddings = 32768};

}  // namespace

Result<Model> record_qwen3(const Checkpoint& checkpoint, ConfigReader& config) {
  const DecoderConfig c = AGLM_TRY(read_decoder(config, {}, kDefaults));
  const std::vector<int64_t> windows = AGLM_TRY(read_windows(config, c.n_layers));
  const Bias bias = AGLM_TRY(config.boolean_or("attention_bias", false)) ? Bias::kYes : Bias::kNo;

  return record_decoder(checkpoint, c, [&](Recorder& r, Value x, Layer layer) {
    layer.window = windows[static_cast<size_t>(layer.index)];
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
    return x + swiglu_mlp(r, fed, p + "mlp.", c.intermediate, Bias::kNo);
  });
}

}  // namespace autoglm
