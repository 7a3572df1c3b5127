// An encoder with the engine that runs it: what takes the place of KV pool, speculation and chat
// where a model writes no texts.
#pragma once

#include <memory>

#include "autoglm/model.h"
#include "engine/encoder/encoder_engine.h"
#include "formats/checkpoint.h"
#include "runtime/load_executor.h"

namespace autoglm {

// What the model is to whoever asks; nullopt: it writes. `plan`: of the checkpoint.
std::optional<EncoderInfo> encoder_info(const ExecutorPlan& plan);

struct LoadedEncoder {
  std::shared_ptr<EncoderEngine> engine;
  int64_t max_model_len = 0;
  std::string instruction_set;
  std::string weight_format;
  int64_t step_weight_bytes = 0;
  int64_t operations_per_token = 0;
  bool tells_texts_apart = false;  // where two are read together
};

// Options that only models that write can have are refused; so is a model that has no room in
// memory. Precondition: encoder_info() says it is one.
Result<LoadedEncoder> load_encoder(const Checkpoint& checkpoint, const ExecutorPlan& plan,
                                   const ExecutorOptions& wanted, const LoadOptions& options);

}  // namespace autoglm
