// Internal to the translation of GGUF: the numbers of a model that both its configuration and its
// tensors depend on, and its configuration.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "autoglm/result.h"
#include "base/json.h"
#include "formats/gguf.h"

namespace autoglm {

// How an architecture's experts are described and named; kNone: it has none.
enum class Mixtures : uint8_t { kNone, kMixtral, kQwen2, kQwen3, kGlm4 };

// One row a supported architecture: what llama.cpp and transformers call it, and how they differ.
struct GgufArchitecture {
  std::string_view gguf_name;
  std::string_view class_name;
  std::string_view model_type;
  // llama.cpp rotates dimensions 2i and 2i + 1 together where transformers takes i and i + n / 2,
  // so that its converter permuted the rows of q and k.
  bool permuted;
  bool fused_gate_up;    // ffn_up holds gate and up, one after the other
  bool optional_biases;  // transformers has the flag attention_bias
  Mixtures mixture = Mixtures::kNone;
};

// nullptr: not supported.
const GgufArchitecture* find_architecture(std::string_view gguf_name);
Error unknown_architecture(const Gguf& gguf, std::string_view found);

struct GgufModel {
  const GgufArchitecture* architecture = nullptr;
  int64_t layers = 0;          // that the answer goes through
  int64_t further_layers = 0;  // behind them, which predict further tokens
  int64_t experts = 0;
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t rotated = 0;  // dimensions of each head that take part in rotary embedding
};

Result<GgufModel> read_model(const Gguf& gguf);
Result<json::object> translate_config(const Gguf& gguf, const GgufModel& model);
Result<json::object> translate_generation_config(const Gguf& gguf);

}  // namespace autoglm
