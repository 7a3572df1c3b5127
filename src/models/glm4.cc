// GLM-4-0414 and GLM-Z1: RMSNorm before and after both sub-layers, rotary on a part of each head in
// interleaved pairs, fused gate and up.
#include "models/glm_defaults.h"

namespace autoglm {

Result<Model> record_glm4(const Checkpoint& checkpoint, ConfigReader& config) {
  const DecoderConfig c =
      AGLM_TRY(read_decoder(config, {.default_partial = 0.5, .interleaved = true}, kGlmDefaults));
  const Bias bias = AGLM_TRY(config.boolean_or("attention_bias", true)) ? Bias::kYes : Bias::kNo;

  return record_decoder(checkpoint, c, [&](Recorder& r, Value x, const Layer& layer) {
    const std::string p = layer_prefix(layer.index);
    const Value normed = norm(r, x, p + "input_layernorm", c.epsilon);
    const Qkv qkv = project_qkv(r, normed, p + "self_attn.", c.heads, bias);
    const Value attended =
        project(r, attend(qkv, layer), p + "self_attn.o_proj", c.hidden, Bias::kNo);
    x = x + norm(r, attended, p + "post_self_attn_layernorm", c.epsilon);
    const Value fed =
        fused_swiglu_mlp(r, norm(r, x, p + "post_attention_layernorm", c.epsilon),
                         p + "mlp.gate_up_proj", p + "mlp.down_proj", c.intermediate, Bias::kNo);
    return x + norm(r, fed, p + "post_mlp_layernorm", c.epsilon);
  });
}

}  // namespace autoglm
