// Mistral 7B: Llama without biases, and with a sliding window over all layers where one is set.
#include "models/blocks.h"

namespace autoglm {

namespace {

// MistralConfig's.
constexpr DecoderDefaults kDefaults{.vocab_size = 32000,
                                    .intermediate_size = 14336,
                                    .num_key_value_heads = 8,
                                    .max_position_embeddings = 131072};
constexpr int64_t kDefaultWindow = 4096;

}  // namespace

Result<Model> record_mistral(const Checkpoint& checkpoint, ConfigReader& config) {
  const DecoderConfig c = AGLM_TRY(read_decoder(config, {}, kDefaults));
  // null says "no window"; a missing key is the class's own.
  const int64_t otherwise = config.present("sliding_window") ? 0 : kDefaultWindow;
  const int64_t window = AGLM_TRY(config.integer_or("sliding_window", otherwise, 1, kMostContext));

  return record_decoder(checkpoint, c, [&](Recorder& r, Value x, Layer layer) {
    layer.window = window;
    const std::string p = layer_prefix(layer.index);
    const Value normed = norm(r, x, p + "input_layernorm", c.epsilon);
    const Qkv qkv = project_qkv(r, normed, p + "self_attn.", c.heads, Bias::kNo);
    x = x + project(r, attend(qkv, layer), p + "self_attn.o_proj", c.hidden, Bias::kNo);
    const Value fed = norm(r, x, p + "post_attention_layernorm", c.epsilon);
    return x + swiglu_mlp(r, fed, p + "mlp.", c.intermediate, Bias::kNo);
  });
}

}  // namespace autoglm
