// What a checkpoint is and what it will need, from its configuration and tensor shapes alone: no
// weight is read. What `autoglm info` prints.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "autoglm/result.h"
#include "base/json.h"
#include "formats/checkpoint.h"

namespace autoglm {

// How weights are held after loading; linear layers are the matrices other than embedding and head.
// 0 bits keep the stored precision: f32 and 16-bit floats as they are, codes as codes (a mixture of
// kinds in one product takes a little more), what has neither as bf16.
struct WeightRule {
  std::string name;           // "int4"
  double linear_bits = 0;     // a weight, scales included
  double embedding_bits = 0;  // of the embedding and the head
};

// none (0 bits), int8 (8 bits and a scale a row) and int4 (4.5 bits: 4 and a 16-bit scale for
// every 32; embedding and head in int8).
std::vector<WeightRule> default_weight_rules();

struct TensorSummary {
  int64_t tensors = 0;
  int64_t parameters = 0;
  int64_t bytes = 0;
};

// A model's sizes, where whoever built its graph knows them better than config.json states them:
// keys may be missing, and rope scaling stretches the context.
struct ModelSizes {
  std::string architecture;
  int64_t layers = 0;
  int64_t hidden_size = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t vocab_size = 0;
  int64_t context = 0;
  int64_t experts = 0;  // of a layer; all of them are held
  int64_t experts_per_token = 0;
  int64_t parameters_per_token = 0;    // that one token meets
  std::vector<std::string> ignored{};  // tensors whose names begin so take no memory
  std::string encoder{};               // what an encoder makes of texts; empty: the model writes
};

struct CheckpointEstimate {
  std::string path;
  std::string format;        // "Hugging Face", "GGUF", "packed"
  std::string quantization;  // by whoever made the checkpoint; empty: none
  int64_t parameters = 0;    // tied embeddings counted once
  ModelSizes sizes;
  bool tied_embeddings = false;
  bool has_chat_template = false;
  std::map<std::string, TensorSummary> by_dtype;
  std::vector<std::pair<std::string, int64_t>> weight_bytes;  // rule's name -> bytes
  std::map<std::string, int64_t> kv_bytes_per_token;          // "f32", "bf16", "int8"
  std::vector<int64_t> contexts;                              // lengths worth printing
};

// Errors when the configuration lacks a number and `known` is nothing, or when sizes are out of all
// bounds. A checkpoint without tensors (a tokenizer alone) has zeros.
Result<CheckpointEstimate> estimate(const Checkpoint& checkpoint,
                                    const std::vector<WeightRule>& rules = default_weight_rules(),
                                    const std::optional<ModelSizes>& known = std::nullopt);

std::string to_text(const CheckpointEstimate& estimate);  // a page for people, lines ended by \n
json::object to_json(const CheckpointEstimate& estimate);

}  // namespace autoglm
