#include "models/encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "formats/sentence_modules.h"
#include "models/blocks.h"

namespace autoglm {
namespace {

constexpr size_t kMostLabels = 65536;

// TensorFlow's names of a norm's weight and bias, which old conversions kept.
Value encoder_norm(Recorder& r, Value x, const std::string& name, float epsilon) {
  const int64_t n = x.shape().columns;
  const bool old = r.checkpoint().find(name + ".gamma") != nullptr;
  return layer_norm(x, r.vector(name + (old ? ".gamma" : ".weight"), n),
                    r.vector(name + (old ? ".beta" : ".bias"), n), epsilon);
}

Value encoder_layer(Recorder& r, Value x, const EncoderConfig& c, const std::string& prefix) {
  const auto heads = static_cast<int32_t>(c.n_heads);
  const auto dim = static_cast<int32_t>(c.hidden / c.n_heads);
  const std::string self = prefix + "attention.self.";
  const Value attended = whole_attention(
      encoder_linear(r, x, self + "query", c.hidden), encoder_linear(r, x, self + "key", c.hidden),
      encoder_linear(r, x, self + "value", c.hidden),
      {.n_heads = heads,
       .n_kv_heads = heads,
       .head_dim = dim,
       .scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(dim)))});
  x = encoder_norm(r, x + encoder_linear(r, attended, prefix + "attention.output.dense", c.hidden),
                   prefix + "attention.output.LayerNorm", c.epsilon);
  const Value inner = activate(encoder_linear(r, x, prefix + "intermediate.dense", c.intermediate),
                               Activation::kGelu);
  return encoder_norm(r, x + encoder_linear(r, inner, prefix + "output.dense", c.hidden),
                      prefix + "output.LayerNorm", c.epsilon);
}

// Nothing was pooled yet: what sentence-transformers does for a checkpoint that says nothing.
Result<EncoderModel> embedder_of(const Checkpoint& checkpoint, int64_t hidden) {
  EncoderModel encoder{.pooling = Pooling::kMean};
  const auto modules = AGLM_TRY(read_sentence_modules(checkpoint.path()));
  if (!modules) return encoder;
  if (modules->dimension && *modules->dimension != hidden) {
    return Error{ErrorCode::kCorrupt, "pooling is of rows with another width than the model's",
                 checkpoint.path() + ": word_embedding_dimension", fmt::format("{}", hidden),
                 fmt::format("{}", *modules->dimension)};
  }
  for (const Pooling pooling : {Pooling::kFirst, Pooling::kLast, Pooling::kMean, Pooling::kMeanSqrt,
                                Pooling::kWeightedMean, Pooling::kMax}) {
    if (pooling_name(pooling) == modules->pooling) encoder.pooling = pooling;
  }
  encoder.normalized = modules->normalize;
  return encoder;
}

// vLLM's keys: sentence-transformers' files do not tell what a model was trained for.
Result<void> read_dimensions(ConfigReader& config, int64_t hidden, EncoderModel& encoder) {
  encoder.shortens = AGLM_TRY(config.boolean_or("is_matryoshka", false));
  if (!config.has("matryoshka_dimensions")) return {};
  encoder.shortens = true;
  const json::value& listed = config.raw().at("matryoshka_dimensions");
  const json::array* list = listed.if_array();
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
    const int64_t* n = (*list)[i].if_int64();
    if (n == nullptr || *n < 1 || *n > hidden) break;
    encoder.dimensions.push_back(*n);
  }
  if (list == nullptr || list->empty() || encoder.dimensions.size() != list->size()) {
    return config.wrong("matryoshka_dimensions", "lengths of vectors have the wrong form",
                        fmt::format("a list of integers from 1 to {}", hidden));
  }
  return {};
}

Result<Model> finish_encoder(Recorder&& recorder, EncoderModel encoder, const EncoderConfig& c) {
  const int64_t most = c.positions - (c.padding + 1);
  const auto length = AGLM_TRY(read_sentence_length(recorder.checkpoint().path()));
  encoder.usual_length = std::min(most, length.value_or(most));
  encoder.token_types = static_cast<int32_t>(c.token_types);
  Model model = AGLM_TRY(finish_model(std::move(recorder), most));
  model.vocab_size = c.vocab;
  model.hidden_size = c.hidden;
  model.n_layers = c.n_layers;
  model.n_heads = c.n_heads;
  model.n_kv_heads = c.n_heads;
  model.head_dim = c.hidden / c.n_heads;
  model.encoder = std::move(encoder);
  return model;
}

}  // namespace

Result<EncoderConfig> read_encoder(ConfigReader& config, int64_t default_vocab) {
  AGLM_TRY(config.only_name("hidden_act", {"gelu"}));
  AGLM_TRY(config.only_name("position_embedding_type", {"absolute"}));
  AGLM_TRY(config.only_flag("is_decoder", false));
  AGLM_TRY(config.only_flag("add_cross_attention", false));
  for (const std::string_view dropout : {"hidden_dropout_prob", "attention_probs_dropout_prob"}) {
    config.has(dropout);  // of training alone
  }
  config.has("gradient_checkpointing");
  config.has("tie_word_embeddings");  // of the output matrix, which these have not
  EncoderConfig c;
  const auto size = [&](std::string_view key, int64_t otherwise, int64_t most) {
    return config.integer_or(key, otherwise, 1, most);
  };
  c.hidden = AGLM_TRY(size("hidden_size", 768, kMostColumns));
  c.intermediate = AGLM_TRY(size("intermediate_size", 3072, kMostColumns));
  c.n_layers = AGLM_TRY(size("num_hidden_layers", 12, kMostLayers));
  c.n_heads = AGLM_TRY(size("num_attention_heads", 12, kMostHeads));
  c.vocab = AGLM_TRY(size("vocab_size", default_vocab, kMostVocab));
  // A step holds the longest text whole.
  constexpr int64_t kMostPositions = int64_t{1} << 16;
  c.positions = AGLM_TRY(size("max_position_embeddings", 512, kMostPositions));
  c.token_types = AGLM_TRY(size("type_vocab_size", 2, 256));
  c.epsilon = static_cast<float>(AGLM_TRY(config.positive_or("layer_norm_eps", 1e-12, 1)));
  if (c.hidden % c.n_heads != 0 || c.hidden / c.n_heads > kMostHeadDim) {
    return config.wrong(
        "num_attention_heads", "heads do not divide hidden_size",
        fmt::format("a divisor of {}, heads of at most {}", c.hidden, kMostHeadDim));
  }
  return c;
}

Result<std::vector<std::string>> read_labels(ConfigReader& config) {
  std::vector<std::string> labels;
  if (!config.has("id2label")) {
    const int64_t n = AGLM_TRY(config.integer_or("num_labels", 2, 1, kMostLabels));
    for (int64_t i = 0; i < n; ++i) labels.push_back(fmt::format("LABEL_{}", i));
    return labels;
  }
  const ConfigReader names = AGLM_TRY(config.child("id2label"));
  const size_t n = names.raw().size();
  for (size_t i = 0; i < n && n <= kMostLabels; ++i) {
    const auto* name = names.raw().if_contains(std::to_string(i));
    if (name == nullptr || !name->is_string()) break;
    labels.emplace_back(name->get_string());
  }
  if (labels.empty() || labels.size() != n) {
    return config.wrong("id2label", "labels have the wrong form",
                        fmt::format("names of 0 to n - 1, at most {}", kMostLabels));
  }
  return labels;
}

Result<ScoreActivation> read_score_activation(ConfigReader& config, size_t n_labels) {
  const ScoreActivation usual =
      n_labels == 1 ? ScoreActivation::kSigmoid : ScoreActivation::kSoftmax;
  std::string name = AGLM_TRY(config.string_or("sbert_ce_default_activation_function", ""));
  if (config.has("sentence_transformers")) {
    ConfigReader own = AGLM_TRY(config.child("sentence_transformers"));
    name = AGLM_TRY(own.string_or("activation_fn", name));
  }
  if (name.empty()) return usual;
  if (name == "torch.nn.modules.linear.Identity") return ScoreActivation::kNone;
  if (name == "torch.nn.modules.activation.Sigmoid") return ScoreActivation::kSigmoid;
  return Error{ErrorCode::kUnsupported, "activation of scores is not offered", config.where(),
               "torch.nn.modules.activation.Sigmoid or torch.nn.modules.linear.Identity",
               name.substr(0, 80)};
}

std::string stored_prefix(const Checkpoint& checkpoint, const std::string& prefix) {
  const std::string table = "embeddings.word_embeddings.weight";
  return checkpoint.find(table) == nullptr && checkpoint.find(prefix + table) != nullptr ? prefix
                                                                                         : "";
}

Value encoder_linear(Recorder& r, Value x, const std::string& name, int64_t columns) {
  return project(r, x, name, columns, Bias::kYes);
}

Value tanh_head(Recorder& r, Value x, const std::string& name) {
  return activate(encoder_linear(r, x, name, x.shape().columns), Activation::kTanh);
}

Value record_encoder(Recorder& r, const EncoderConfig& c, const std::string& prefix) {
  const std::string tables = prefix + "embeddings.";
  const auto table = [&](const char* name, int64_t rows) {
    return r.matrix(tables + name + ".weight", rows, c.hidden, WeightRole::kEmbedding);
  };
  Value x = embedding(r.graph(), table("word_embeddings", c.vocab));
  x = x + token_type_embedding(r.graph(), table("token_type_embeddings", c.token_types));
  x = x + position_embedding(r.graph(), table("position_embeddings", c.positions), c.padding);
  x = encoder_norm(r, x, tables + "LayerNorm", c.epsilon);
  for (int64_t i = 0; i < c.n_layers && !r.failed(); ++i) {
    x = encoder_layer(r, x, c, fmt::format("{}encoder.layer.{}.", prefix, i));
  }
  return x;
}

Result<Model> finish_embedder(Recorder&& recorder, ConfigReader& config, const EncoderConfig& c,
                              Value rows) {
  EncoderModel encoder = AGLM_TRY(embedder_of(recorder.checkpoint(), c.hidden));
  AGLM_TRY(read_dimensions(config, c.hidden, encoder));
  const bool one_row = encoder.pooling == Pooling::kFirst || encoder.pooling == Pooling::kLast;
  recorder.graph().add_output(kHiddenOutput,
                              one_row ? select_outputs(rows) : pool(rows, encoder.pooling));
  return finish_encoder(std::move(recorder), std::move(encoder), c);
}

Result<Model> finish_classifier(Recorder&& recorder, ConfigReader& config, const EncoderConfig& c,
                                std::vector<std::string> labels) {
  EncoderModel encoder;
  encoder.activation = AGLM_TRY(read_score_activation(config, labels.size()));
  encoder.labels = std::move(labels);
  return finish_encoder(std::move(recorder), std::move(encoder), c);
}

}  // namespace autoglm
