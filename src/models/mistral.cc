// Mistral 7B: Llama without biases, and with a sliding window over all layers where one is set.
#include "models/blocks.h"

namespace autoglm {

Result<Model> record_mistral(const Checkpoint& checkpoint, ConfigReader& config) {
  const DecoderConfig c = AGLM_TRY(read_decoder(config, {}));
  // null says "no window"; a missing key would mean 4096 in transformers, which no file relies on.
  if (!config.present("sliding_window")) {
    return config.wrong("sliding_window", "", "a number of positions, or null");
  }
  const int64_t window = AGLM_TRY(config.integer_or("sliding_window", 0, 1, kMostContext));

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
