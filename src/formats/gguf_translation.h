// What a GGUF file says of a model, in Hugging Face's words: its metadata as config.json and
// generation_config.json, its tensors under transformers' names with rows in transformers' order.
#pragma once

#include <vector>

#include "autoglm/result.h"
#include "base/json.h"
#include "formats/checkpoint.h"
#include "formats/gguf.h"

namespace autoglm {

struct TranslatedGguf {
  json::object config;
  json::object generation_config;
  std::vector<StoredTensor> tensors;
};

// Architectures: llama (Llama, Mistral when it has a sliding window, Mixtral when it has experts),
// qwen2, qwen3, chatglm (as GlmForCausalLM, its fused q/k/v cut into three), glm4, qwen2moe,
// qwen3moe and glm4moe. Tensors of all experts are cut into one for each. A file without tensors,
// which holds a tokenizer only, is accepted whatever its architecture; its config then has
// model_type and vocab_size at most. A tensor without a counterpart keeps its GGUF name, as
// rope_freqs.weight does.
Result<TranslatedGguf> translate_gguf(const Gguf& gguf);

}  // namespace autoglm
