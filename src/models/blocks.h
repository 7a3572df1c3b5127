// What several architectures repeat: the configuration keys that transformers gives every decoder,
// and the pieces that their layers are composed of. A piece has no switches for one model's sake;
// a model that differs composes differently.
#pragma once

#include <cstdint>
#include <string>

#include "autoglm/result.h"
#include "graph/graph.h"
#include "models/config_reader.h"
#include "models/recorder.h"
#include "models/registry.h"
#include "models/rope_config.h"

namespace autoglm {

// Sizes beyond these are lies or mistakes: no known model comes near, and products of two of them
// stay far from overflow. 131072 columns are what an int8 dot product can sum in int32.
inline constexpr int64_t kMostLayers = 1024;
inline constexpr int64_t kMostColumns = 131072;
inline constexpr int64_t kMostHeads = 4096;
inline constexpr int64_t kMostHeadDim = 1024;
inline constexpr int64_t kMostVocab = int64_t{1} << 24;
inline constexpr int64_t kMostContext = int64_t{1} << 30;

struct Heads {
  int64_t n = 0;
  int64_t n_kv = 0;
  int64_t dim = 0;
  int64_t columns() const { return n * dim; }
  int64_t kv_columns() const { return n_kv * dim; }
};
Result<void> check_heads(const ConfigReader& config, std::string_view kv_key, const Heads& heads);

struct DecoderConfig {
  int64_t hidden = 0;
  int64_t intermediate = 0;
  int64_t n_layers = 0;
  int64_t vocab = 0;
  int64_t max_positions = 0;
  Heads heads;
  float epsilon = 0;
  bool tied = false;
  RopeConfig rope;
};
// What an architecture's configuration class in transformers takes for the keys that a config.json
// leaves out: converters and fine-tuners drop those that equal the class's own.
struct DecoderDefaults {
  int64_t vocab_size = 0;
  int64_t hidden_size = 4096;
  int64_t intermediate_size = 0;
  int64_t num_hidden_layers = 32;
  int64_t num_attention_heads = 32;
  int64_t num_key_value_heads = 0;  // 0: as many as heads
  int64_t head_dim = 0;             // 0: hidden_size / num_attention_heads
  int64_t max_position_embeddings = 0;
  double rms_norm_eps = 1e-6;
};
// The keys that transformers writes for Llama and all that descend from it.
Result<DecoderConfig> read_decoder(ConfigReader& config, RopeShape rope,
                                   const DecoderDefaults& defaults);

// The tensors of the embedding and of the logits.
struct TokenTables {
  std::string embedding;
  std::string output;
};
// A tied model has one matrix for both. Where its files hold two that differ (the head was trained
// apart), each is used; where they hold the head's alone, it is the embedding too: so transformers.
TokenTables token_tables(const Checkpoint& checkpoint, bool tied);

enum class Bias : uint8_t { kNo, kYes };

// x * `name`.weight^T + `name`.bias
Value project(Recorder& r, Value x, const std::string& name, int64_t columns, Bias bias);
Value norm(Recorder& r, Value x, const std::string& name, float epsilon);

struct Qkv {
  Value q, k, v;
};
// `prefix`q_proj, k_proj, v_proj.
Qkv project_qkv(Recorder& r, Value x, const std::string& prefix, const Heads& heads, Bias bias);

struct Layer {
  int64_t index = 0;
  Heads heads;
  RopeId rope = RopeId::kNone;
  int64_t window = 0;
};
// Rotates q and k, and attends with the usual scale of head_dim^-0.5.
Value attend(const Qkv& qkv, const Layer& layer);

// down(silu(gate x) * up x), from `prefix`gate_proj, up_proj, down_proj.
Value swiglu_mlp(Recorder& r, Value x, const std::string& prefix, int64_t intermediate, Bias bias);
// The same from a product whose rows are gate | up.
Value fused_swiglu_mlp(Recorder& r, Value x, const std::string& gate_up, const std::string& down,
                       int64_t intermediate, Bias bias);

Value embed_tokens(Recorder& r, const std::string& table, int64_t vocab, int64_t hidden);
struct Head {
  std::string norm;
  std::string output;
  int64_t vocab = 0;
  float epsilon = 0;
};
// Final norm and logits of the rows wanted; ends the recording.
void finish(Recorder& r, Value x, const Head& head);

// "model.layers.3."
std::string layer_prefix(int64_t index);

// Everything of a transformers decoder but its layers: embedding, `layer` for each index, final
// norm, logits.
template <class LayerFunction>
Result<Model> record_decoder(const Checkpoint& checkpoint, const DecoderConfig& c,
                             LayerFunction&& layer) {
  Recorder r(checkpoint);
  Rope rope = c.rope.rope;
  AGLM_TRY(divide_by_stored_factors(checkpoint, rope));
  const RopeId rope_id = r.graph().add_rope(std::move(rope));
  const TokenTables tables = token_tables(checkpoint, c.tied);
  Value x = embed_tokens(r, tables.embedding, c.vocab, c.hidden);
  for (int64_t i = 0; i < c.n_layers && !r.failed(); ++i) {
    x = layer(r, x, Layer{.index = i, .heads = c.heads, .rope = rope_id});
  }
  finish(r, x,
         {.norm = "model.norm", .output = tables.output, .vocab = c.vocab, .epsilon = c.epsilon});
  return finish_model(std::move(r), c.rope.max_context);
}

}  // namespace autoglm
