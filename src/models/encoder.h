// Models that read whole texts and write none: BERT and what descends from it. They have no cache
// and no logits of tokens; the graph's output `hidden` has one row for each text, and a
// classifier's output `scores` one number for each label.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "autoglm/result.h"
#include "graph/graph.h"
#include "models/config_reader.h"
#include "models/recorder.h"

namespace autoglm {

struct Model;

// What a classifier's scores become for whoever asks.
enum class ScoreActivation : uint8_t {
  kSigmoid,  // each on its own
  kSoftmax,  // shares of 1
  kNone,
};

struct EncoderModel {
  Pooling pooling = Pooling::kFirst;
  bool normalized = false;   // vectors are scaled to length 1, as the checkpoint's modules say
  int64_t usual_length = 0;  // tokens that a text may have unless asked otherwise
  int32_t token_types = 1;   // texts that it tells apart when they are read together
  // Vectors keep their meaning when they are cut to their first numbers (Matryoshka): to these
  // lengths, or where none is named to any.
  bool shortens = false;
  std::vector<int64_t> dimensions;
  std::vector<std::string> labels;  // of a classifier; empty: it gives vectors
  ScoreActivation activation = ScoreActivation::kSigmoid;
};

struct EncoderConfig {
  int64_t hidden = 0;
  int64_t intermediate = 0;
  int64_t n_layers = 0;
  int64_t n_heads = 0;
  int64_t vocab = 0;
  int64_t positions = 0;  // rows of their table
  int64_t token_types = 0;
  int32_t padding = -1;  // as position_embedding() takes it
  float epsilon = 0;
};
// The keys that BertConfig and its kin share.
Result<EncoderConfig> read_encoder(ConfigReader& config, int64_t default_vocab);
// id2label in the order of its ids; where it is missing, as many as num_labels, 2 for none.
Result<std::vector<std::string>> read_labels(ConfigReader& config);
// As sentence-transformers' CrossEncoder names it in config.json; else one label's sigmoid, several
// labels' softmax.
Result<ScoreActivation> read_score_activation(ConfigReader& config, size_t n_labels);

// A text's rows after the last layer: embeddings and layers under `prefix` ("bert.").
Value record_encoder(Recorder& r, const EncoderConfig& c, const std::string& prefix);
// tanh of a product: the head that both classifiers begin with.
Value tanh_head(Recorder& r, Value x, const std::string& name);
// x * `name`.weight^T + `name`.bias, `columns` of them.
Value encoder_linear(Recorder& r, Value x, const std::string& name, int64_t columns);
// "bert." where the tensors' names begin so, although the class's own do not; else "".
std::string stored_prefix(const Checkpoint& checkpoint, const std::string& prefix);

// Ends a recording: the rows of each text become its vector, as the checkpoint's files of
// sentence-transformers say.
Result<Model> finish_embedder(Recorder&& recorder, ConfigReader& config, const EncoderConfig& c,
                              Value rows);
// Or its scores, which were recorded.
Result<Model> finish_classifier(Recorder&& recorder, ConfigReader& config, const EncoderConfig& c,
                                std::vector<std::string> labels);

}  // namespace autoglm
