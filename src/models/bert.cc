// BERT: learned positions and token types, post-norm layers. A classifier reads the first row
// through the pooler.
#include <utility>

#include "models/encoder.h"
#include "models/registry.h"

namespace autoglm {
namespace {

constexpr int64_t kVocab = 30522;

}  // namespace

Result<Model> record_bert(const Checkpoint& checkpoint, ConfigReader& config) {
  const EncoderConfig c = AGLM_TRY(read_encoder(config, kVocab));
  Recorder r(checkpoint);
  const Value rows = record_encoder(r, c, stored_prefix(checkpoint, "bert."));
  return finish_embedder(std::move(r), config, c, rows);
}

Result<Model> record_bert_classifier(const Checkpoint& checkpoint, ConfigReader& config) {
  const EncoderConfig c = AGLM_TRY(read_encoder(config, kVocab));
  std::vector<std::string> labels = AGLM_TRY(read_labels(config));
  Recorder r(checkpoint);
  const Value first = select_outputs(record_encoder(r, c, "bert."));
  const Value pooled = tanh_head(r, first, "bert.pooler.dense");
  r.graph().add_output(kHiddenOutput, pooled);
  r.graph().add_output(kScoresOutput, encoder_linear(r, pooled, "classifier", std::ssize(labels)));
  return finish_classifier(std::move(r), config, c, std::move(labels));
}

}  // namespace autoglm
