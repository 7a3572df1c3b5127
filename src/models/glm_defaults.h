// What GlmConfig and Glm4Config of transformers have for keys that a checkpoint leaves out.
#pragma once

#include "models/blocks.h"

namespace autoglm {

inline constexpr DecoderDefaults kGlmDefaults{.vocab_size = 151552,
                                              .intermediate_size = 13696,
                                              .num_hidden_layers = 40,
                                              .num_key_value_heads = 2,
                                              .head_dim = 128,
                                              .max_position_embeddings = 131072,
                                              .rms_norm_eps = 1.5625e-07};

}  // namespace autoglm
