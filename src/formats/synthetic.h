// Checkpoints of random weights, of any of our architectures and any size, for benchmarks and
// tests: seeded, so that the same options give the same bytes, and the two forms the same weights.
// They speak no language; their tokenizer is real, though, and their logits are not degenerate.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "tensor/dtype.h"

namespace autoglm {

struct SyntheticShape {
  // Or Mistral, Qwen2, Qwen3, Glm, Glm4, Mixtral, Qwen2Moe, Qwen3Moe, Glm4Moe (each with
  // ForCausalLM), ChatGLMModel.
  std::string architecture = "LlamaForCausalLM";
  int64_t layers = 0;
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t vocab_size = 0;  // at least 259: every byte and three special tokens
  int64_t max_position_embeddings = 0;
  bool tie_word_embeddings = false;
  // Of mixtures alone; others have zeros. A shared expert of Qwen2Moe is as wide as
  // intermediate_size, one of Glm4Moe as expert_size, and its first layer has an MLP.
  int64_t experts = 0;
  int64_t experts_per_token = 0;
  int64_t expert_size = 0;  // width inside each; of Mixtral also intermediate_size
};

struct SyntheticOptions {
  std::string path;  // a folder to make, or a file name that ends in .gguf
  SyntheticShape shape;
  // Of the matrices; vectors are F32 in GGUF. F32, F16 or BF16, and in GGUF also what
  // quant/blocks.h encodes. Block formats need widths in whole blocks.
  DType dtype = DType::kBF16;
  uint64_t seed = 0;
  std::function<void(double fraction)> progress;
};

// "tiny" (1.3 million parameters), "0.5b" (491 million) or "1.4b" (1,394 million), with widths that
// every block format fits; of mixtures also "3b-moe" (3,030 million, of which a token meets 566).
// No architecture: that of Llama, of "3b-moe" Qwen3Moe.
Result<SyntheticShape> synthetic_preset(std::string_view name, std::string_view architecture = "");

// Writes row by row: memory stays at a few rows and the vocabulary.
Result<void> write_synthetic(const SyntheticOptions& options);

}  // namespace autoglm
