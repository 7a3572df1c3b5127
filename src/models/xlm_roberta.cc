// RoBERTa and XLM-RoBERTa: BERT's layers, positions counted from behind the padding's id on, and
// one token type. A classifier has a head of its own in place of the pooler.
#include <utility>

#include "models/encoder.h"
#include "models/registry.h"

namespace autoglm {
namespace {

Result<EncoderConfig> read_roberta(ConfigReader& config) {
  EncoderConfig c = AGLM_TRY(read_encoder(config, 30522));
  c.padding = static_cast<int32_t>(AGLM_TRY(config.integer_or("pad_token_id", 1, 0, c.vocab - 1)));
  if (c.positions <= c.padding + 1) {
    return config.wrong("max_position_embeddings", "no position is left for a token",
                        "more than pad_token_id + 1");
  }
  return c;
}

}  // namespace

Result<Model> record_xlm_roberta(const Checkpoint& checkpoint, ConfigReader& config) {
  const EncoderConfig c = AGLM_TRY(read_roberta(config));
  Recorder r(checkpoint);
  const Value rows = record_encoder(r, c, stored_prefix(checkpoint, "roberta."));
  return finish_embedder(std::move(r), config, c, rows);
}

Result<Model> record_xlm_roberta_classifier(const Checkpoint& checkpoint, ConfigReader& config) {
  const EncoderConfig c = AGLM_TRY(read_roberta(config));
  std::vector<std::string> labels = AGLM_TRY(read_labels(config));
  Recorder r(checkpoint);
  const Value first = select_outputs(record_encoder(r, c, "roberta."));
  const Value head = tanh_head(r, first, "classifier.dense");
  r.graph().add_output(kHiddenOutput, head);
  r.graph().add_output(kScoresOutput,
                       encoder_linear(r, head, "classifier.out_proj", std::ssize(labels)));
  return finish_classifier(std::move(r), config, c, std::move(labels));
}

}  // namespace autoglm
