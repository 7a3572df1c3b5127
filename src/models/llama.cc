// Llama 1 to 3: pre-norm, rotary on whole heads (half-split), SwiGLU, optional biases.
#include "models/blocks.h"

namespace autoglm {

namespace {

// LlamaConfig's.
constexpr DecoderDefaults kDefaults{
    .vocab_size = 32000, .intermediate_size = 11008, .max_position_embeddings = 2048};

}  // namespace

Result<Model> record_llama(const Checkpoint& checkpoint, ConfigReader& config) {
  const DecoderConfig c = AGLM_TRY(read_decoder(config, {}, kDefaults));
  const Bias attention_bias =
      AGLM_TRY(config.boolean_or("attention_bias", false)) ? Bias::kYes : Bias::kNo;
  const Bias mlp_bias = AGLM_TRY(config.boolean_or("mlp_bias", false)) ? Bias::kYes : Bias::kNo;

  return record_decoder(checkpoint, c, [&](Recorder& r, Value x, const Layer& layer) {
    const std::string p = layer_prefix(layer.index);
    const Value normed = norm(r, x, p + "input_layernorm", c.epsilon);
    const Qkv qkv = project_qkv(r, normed, p + "self_attn.", c.heads, attention_bias);
    x = x + project(r, attend(qkv, layer), p + "self_attn.o_proj", c.hidden, attention_bias);
    const Value fed = norm(r, x, p + "post_attention_layernorm", c.epsilon);
    return x + swiglu_mlp(r, fed, p + "mlp.", c.intermediate, mlp_bias);
  });
}

}  // namespace autoglm
