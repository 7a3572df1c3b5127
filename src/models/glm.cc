// GLM-4-9B as transformers has it, and GLM-Edge: pre-norm, rotary on a part of each head in
// interleaved pairs, fused gate and up.
#include "models/glm_defaults.h"

namespace autoglm {

Result<Model> record_glm(const Checkpoint& checkpoint, ConfigReader& config) {
  const DecoderConfig c =
      AGLM_TRY(read_decoder(config, {.default_partial = 0.5, .interleaved = true}, kGlmDefaults));
  const Bias bias = AGLM_TRY(config.boolean_or("attention_bias", true)) ? Bias::kYes : Bias::kNo;

  return record_decoder(checkpoint, c, [&](Recorder& r, Value x, const Layer& layer) {
    const std::string p = layer_prefix(layer.index);
    const Value normed = norm(r, x, p + "input_layernorm", c.epsilon);
    const Qkv qkv = project_qkv(r, normed, p + "self_attn.", c.heads, bias);
    x = x + project(r, attend(qkv, layer), p + "self_attn.o_proj", c.hidden, Bias::kNo);
    const Value fed = norm(r, x, p + "post_attention_layernorm", c.epsilon);
    return x + fused_swiglu_mlp(r, fed, p + "mlp.gate_up_proj", p + "mlp.down_proj", c.intermediate,
                                Bias::kNo);
  });
}

}  // namespace autoglm
