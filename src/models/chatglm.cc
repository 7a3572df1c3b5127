// ChatGLM2, ChatGLM3 and GLM-4-9B as first published, with code of their own: the layer of glm.cc
// under other names, q, k and v stored as one product.
#include <fmt/format.h>

#include "models/blocks.h"

namespace autoglm {
namespace {

// Variants that the custom code knows and no published checkpoint uses.
Result<void> refuse_variants(ConfigReader& config) {
  AGLM_TRY(config.only_flag("apply_residual_connection_post_layernorm", false));
  AGLM_TRY(config.only_flag("rmsnorm", true));
  AGLM_TRY(config.only_flag("post_layer_norm", true));
  // The custom code has an output layer of its own whatever this says.
  AGLM_TRY(config.boolean_or("tie_word_embeddings", false));
  return {};
}

}  // namespace

Result<Model> record_chatglm(const Checkpoint& checkpoint, ConfigReader& config) {
  AGLM_TRY(refuse_variants(config));
  // Missing keys have the values of the family's own configuration class.
  const int64_t hidden = AGLM_TRY(config.integer_or("hidden_size", 4096, 1, kMostColumns));
  const int64_t intermediate =
      AGLM_TRY(config.integer_or("ffn_hidden_size", 13696, 1, kMostColumns));
  const int64_t n_layers = AGLM_TRY(config.integer_or("num_layers", 28, 1, kMostLayers));
  const int64_t vocab = AGLM_TRY(config.integer_or("padded_vocab_size", 65024, 1, kMostVocab));
  const int64_t max_context = AGLM_TRY(config.integer_or("seq_length", 2048, 1, kMostContext));
  const auto epsilon =
      static_cast<float>(AGLM_TRY(config.positive_or("layernorm_epsilon", 1e-5, 1)));
  Heads heads;
  heads.n = AGLM_TRY(config.integer_or("num_attention_heads", 32, 1, kMostHeads));
  heads.n_kv = AGLM_TRY(config.boolean_or("multi_query_attention", false))
                   ? AGLM_TRY(config.integer_or("multi_query_group_num", 1, 1, kMostHeads))
                   : heads.n;
  heads.dim = AGLM_TRY(config.integer_or("kv_channels", 128, 1, kMostHeadDim));
  AGLM_TRY(check_heads(config, "multi_query_group_num", heads));
  const bool all_biased = AGLM_TRY(config.boolean_or("add_bias_linear", false));
  const bool qkv_biased = AGLM_TRY(config.boolean_or("add_qkv_bias", false));
  const Bias bias = all_biased ? Bias::kYes : Bias::kNo;
  const Bias qkv_bias = all_biased || qkv_biased ? Bias::kYes : Bias::kNo;
  // The base is 10000 times the ratio, and half of each head turns.
  const double ratio = AGLM_TRY(config.positive_or("rope_ratio", 1, 1e9));
  const bool interleaved = AGLM_TRY(config.boolean_or("original_rope", true));
  if (heads.dim % 4 != 0) return config.wrong("kv_channels", "", "a multiple of 4");

  Recorder r(checkpoint);
  const RopeId rope =
      r.graph().add_rope({.inverse_frequencies = inverse_frequencies(10000 * ratio, heads.dim / 2),
                          .interleaved = interleaved});
  const std::string root = "transformer.";
  Value x = embed_tokens(r, root + "embedding.word_embeddings.weight", vocab, hidden);
  for (int64_t i = 0; i < n_layers && !r.failed(); ++i) {
    const std::string p = fmt::format("{}encoder.layers.{}.", root, i);
    const Value normed = norm(r, x, p + "input_layernorm", epsilon);
    const Value all = project(r, normed, p + "self_attention.query_key_value",
                              heads.columns() + 2 * heads.kv_columns(), qkv_bias);
    const Qkv qkv{.q = slice(all, 0, heads.columns()),
                  .k = slice(all, heads.columns(), heads.kv_columns()),
                  .v = slice(all, heads.columns() + heads.kv_columns(), heads.kv_columns())};
    const Value attended = attend(qkv, {.index = i, .heads = heads, .rope = rope});
    x = x + project(r, attended, p + "self_attention.dense", hidden, bias);
    const Value fed = norm(r, x, p + "post_attention_layernorm", epsilon);
    x = x + fused_swiglu_mlp(r, fed, p + "mlp.dense_h_to_4h", p + "mlp.dense_4h_to_h", intermediate,
                             bias);
  }
  finish(r, x,
         {.norm = root + "encoder.final_layernorm",
          .output = root + "output_layer.weight",
          .vocab = vocab,
          .epsilon = epsilon});
  return finish_model(std::move(r), max_context);
}

}  // namespace autoglm
