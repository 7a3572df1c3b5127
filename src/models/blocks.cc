#include "models/blocks.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include "base/log.h"

namespace autoglm {

Result<void> check_heads(const ConfigReader& config, std::string_view kv_key, const Heads& heads) {
  if (heads.n % heads.n_kv != 0) {
    return config.wrong(kv_key, "kv heads do not divide the heads",
                        fmt::format("a divisor of {}", heads.n));
  }
  if (heads.columns() > kMostColumns) {
    return config.wrong(
        "num_attention_heads", "heads are too wide together",
        fmt::format("at most {} columns, not {} heads of {}", kMostColumns, heads.n, heads.dim));
  }
  return {};
}

Result<DecoderConfig> read_decoder(ConfigReader& config, RopeShape rope,
                                   const DecoderDefaults& defaults) {
  // The default that each of these architectures has in transformers, by both names there.
  AGLM_TRY(config.only_name("hidden_act", {"silu", "swish"}));
  DecoderConfig c;
  const auto size = [&](std::string_view key, int64_t otherwise, int64_t most) {
    return config.integer_or(key, otherwise, 1, most);
  };
  c.hidden = AGLM_TRY(size("hidden_size", defaults.hidden_size, kMostColumns));
  c.intermediate = AGLM_TRY(size("intermediate_size", defaults.intermediate_size, kMostColumns));
  c.n_layers = AGLM_TRY(size("num_hidden_layers", defaults.num_hidden_layers, kMostLayers));
  c.vocab = AGLM_TRY(size("vocab_size", defaults.vocab_size, kMostVocab));
  c.max_positions =
      AGLM_TRY(size("max_position_embeddings", defaults.max_position_embeddings, kMostContext));
  c.heads.n = AGLM_TRY(size("num_attention_heads", defaults.num_attention_heads, kMostHeads));
  // null is no missing key: it asks for what follows from the other sizes.
  const bool kv_follows =
      config.present("num_key_value_heads") || defaults.num_key_value_heads == 0;
  c.heads.n_kv = AGLM_TRY(size("num_key_value_heads",
                               kv_follows ? c.heads.n : defaults.num_key_value_heads, kMostHeads));
  const bool dim_follows = config.present("head_dim") || defaults.head_dim == 0;
  if (!config.has("head_dim") && dim_follows && c.hidden % c.heads.n != 0) {
    return config.wrong("num_attention_heads", "heads do not divide hidden_size",
                        fmt::format("a divisor of {}, or a head_dim", c.hidden));
  }
  c.heads.dim = AGLM_TRY(
      size("head_dim", dim_follows ? c.hidden / c.heads.n : defaults.head_dim, kMostHeadDim));
  AGLM_TRY(check_heads(config, "num_key_value_heads", c.heads));
  c.epsilon =
      static_cast<float>(AGLM_TRY(config.positive_or("rms_norm_eps", defaults.rms_norm_eps, 1)));
  c.tied = AGLM_TRY(config.boolean_or("tie_word_embeddings", false));
  rope.head_dim = c.heads.dim;
  rope.max_position_embeddings = c.max_positions;
  c.rope = AGLM_TRY(read_rope(config, rope));
  return c;
}

namespace {

// Compared byte by byte, which ends at the first difference. Matrices whose bytes cannot tell
// (quantized, or packed: a pack lists only what its program uses) count as different.
bool same_values(const StoredTensor& a, const StoredTensor& b) {
  const auto plain = [](const StoredTensor& t) {
    return !t.bytes.empty() && t.row_order.empty() && !t.coded && t.quantized == nullptr;
  };
  return plain(a) && plain(b) && a.dtype == b.dtype && a.shape == b.shape &&
         a.bytes.size() == b.bytes.size() &&
         std::memcmp(a.bytes.data(), b.bytes.data(), a.bytes.size()) == 0;
}

}  // namespace

TokenTables token_tables(const Checkpoint& checkpoint, bool tied) {
  TokenTables tables{.embedding = "model.embed_tokens.weight", .output = "lm_head.weight"};
  if (!tied) return tables;
  const StoredTensor* head = checkpoint.find(tables.output);
  const StoredTensor* embedding = checkpoint.find(tables.embedding);
  if (head == nullptr) {
    tables.output = tables.embedding;
  } else if (embedding == nullptr) {
    tables.embedding = tables.output;
  } else if (same_values(*head, *embedding)) {
    tables.output = tables.embedding;
  } else {
    logger()->debug("{}: tie_word_embeddings is true and {} differs: it is used", checkpoint.path(),
                    tables.output);
  }
  return tables;
}

Value project(Recorder& r, Value x, const std::string& name, int64_t columns, Bias bias) {
  const WeightId weight = r.matrix(name + ".weight", columns, x.shape().columns);
  return linear(x, weight,
                bias == Bias::kYes ? r.vector(name + ".bias", columns) : WeightId::kNone);
}

Value norm(Recorder& r, Value x, const std::string& name, float epsilon) {
  return rms_norm(x, r.vector(name + ".weight", x.shape().columns), epsilon);
}

Qkv project_qkv(Recorder& r, Value x, const std::string& prefix, const Heads& heads, Bias bias) {
  return {.q = project(r, x, prefix + "q_proj", heads.columns(), bias),
          .k = project(r, x, prefix + "k_proj", heads.kv_columns(), bias),
          .v = project(r, x, prefix + "v_proj", heads.kv_columns(), bias)};
}

Value attend(const Qkv& qkv, const Layer& layer) {
  const auto dim = static_cast<int32_t>(layer.heads.dim);
  return attention(rope(qkv.q, layer.rope, dim), rope(qkv.k, layer.rope, dim), qkv.v,
                   {.layer = static_cast<int32_t>(layer.index),
                    .n_heads = static_cast<int32_t>(layer.heads.n),
                    .n_kv_heads = static_cast<int32_t>(layer.heads.n_kv),
                    .head_dim = dim,
                    .scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(dim))),
                    .window = layer.window});
}

Value swiglu_mlp(Recorder& r, Value x, const std::string& prefix, int64_t intermediate, Bias bias) {
  const Value gate = project(r, x, prefix + "gate_proj", intermediate, bias);
  const Value up = project(r, x, prefix + "up_proj", intermediate, bias);
  return project(r, swiglu(gate, up), prefix + "down_proj", x.shape().columns, bias);
}

Value fused_swiglu_mlp(Recorder& r, Value x, const std::string& gate_up, const std::string& down,
                       int64_t intermediate, Bias bias) {
  const Value both = project(r, x, gate_up, 2 * intermediate, bias);
  const Value fed = swiglu(slice(both, 0, intermediate), slice(both, intermediate, intermediate));
  return project(r, fed, down, x.shape().columns, bias);
}

Value embed_tokens(Recorder& r, const std::string& table, int64_t vocab, int64_t hidden) {
  return embedding(r.graph(), r.matrix(table, vocab, hidden, WeightRole::kEmbedding));
}

void finish(Recorder& r, Value x, const Head& head) {
  const Value hidden = norm(r, select_outputs(x), head.norm, head.epsilon);
  const WeightId output = r.matrix(head.output, head.vocab, x.shape().columns, WeightRole::kOutput);
  r.graph().add_output(kLogitsOutput, linear(hidden, output));
  r.graph().add_output(kHiddenOutput, hidden);
}

std::string layer_prefix(int64_t index) { return fmt::format("model.layers.{}.", index); }

}  // namespace autoglm
