// Qwen2 and Qwen2.5: Llama with biases on q, k and v, and an optional sliding window in some
// layers.
#include "models/blocks.h"
#include "models/window_layers.h"

namespace autoglm {

namespace {

// Qwen2Config's.
constexpr DecoderDefaults kDefaults{.vocab_size = 151936,
                                    .intermediate_size = 22016,
                                    .num_key_value_heads = 32,
                                    .max_position_embeddings = 32768};

}  // namespace

Result<Model> record_qwen2(const Checkpoint& checkpoint, ConfigReader& config) {
  const DecoderConfig c = AGLM_TRY(read_decoder(config, {}, kDefaults));
  const std::vector<int64_t> windows = AGLM_TRY(read_windows(config, c.n_layers));

  return record_decoder(checkpoint, c, [&](Recorder& r, Value x, Layer layer) {
    layer.window = windows[static_cast<size_t>(layer.index)];
    const std::string p = layer_prefix(layer.index);
    const Value normed = norm(r, x, p + "input_layernorm", c.epsilon);
    const Qkv qkv = project_qkv(r, normed, p + "self_attn.", c.heads, Bias::kYes);
    x = x + project(r, attend(qkv, layer), p + "self_attn.o_proj", c.hidden, Bias::kNo);
    const Value fed = norm(r, x, p + "post_attention_layernorm", c.epsilon);
    return x + swiglu_mlp(r, fed, p + "mlp.", c.intermediate, Bias::kNo);
  });
}

}  // namespace autoglm
