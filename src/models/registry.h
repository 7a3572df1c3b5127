// From a checkpoint to a recorded model, by the architecture that its configuration names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "formats/checkpoint.h"
#include "graph/graph.h"
#include "models/config_reader.h"
#include "models/encoder.h"
#include "models/recorder.h"

namespace autoglm {

struct Model {
  std::string architecture;  // "Glm4ForCausalLM"
  Graph graph;               // as recorded: not fused
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t n_layers = 0;
  int64_t n_heads = 0;
  int64_t n_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t max_context = 0;  // positions the model was made for, rope scaling included
  int64_t parameters = 0;
  int64_t experts = 0;  // of a layer that has some; 0: none has
  int64_t experts_per_token = 0;
  int64_t parameters_per_token = 0;  // that one token meets
  // Tensors whose names begin so are the model's own and are not loaded.
  std::vector<std::string> ignored;
  std::optional<EncoderModel> encoder;  // it reads whole texts; nullopt: it writes
};

// Unknown architectures, keys out of bounds, missing tensors and tensors of the wrong shape are
// errors; configuration keys and tensors that the model does not use are logged.
Result<Model> build_model(const Checkpoint& checkpoint);

// "ChatGLMModel", "Glm4ForCausalLM", ... in alphabetical order.
std::vector<std::string_view> known_architectures();

// For the architectures' own files.
Result<Model> finish_model(Recorder&& recorder, int64_t max_context);

// One function an architecture, each in the file of its name.
Result<Model> record_bert(const Checkpoint& checkpoint, ConfigReader& config);
Result<Model> record_bert_classifier(const Checkpoint& checkpoint, ConfigReader& config);
Result<Model> record_chatglm(const Checkpoint& checkpoint, ConfigReader& config);
Result<Model> record_glm(const Checkpoint& checkpoint, ConfigReader& config);
Result<Model> record_glm4(const Checkpoint& checkpoint, ConfigReader& config);
Result<Model> record_glm4_moe(const Checkpoint& checkpoint, ConfigReader& config);
Result<Model> record_llama(const Checkpoint& checkpoint, ConfigReader& config);
Result<Model> record_mistral(const Checkpoint& checkpoint, ConfigReader& config);
Result<Model> record_mixtral(const Checkpoint& checkpoint, ConfigReader& config);
Result<Model> record_qwen2(const Checkpoint& checkpoint, ConfigReader& config);
Result<Model> record_qwen2_moe(const Checkpoint& checkpoint, ConfigReader& config);
Result<Model> record_qwen3(const Checkpoint& checkpoint, ConfigReader& config);
Result<Model> record_qwen3_moe(const Checkpoint& checkpoint, ConfigReader& config);
Result<Model> record_xlm_roberta(const Checkpoint& checkpoint, ConfigReader& config);
Result<Model> record_xlm_roberta_classifier(const Checkpoint& checkpoint, ConfigReader& config);

}  // namespace autoglm
