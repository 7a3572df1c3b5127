#include "runtime/load_encoder.h"

#include <fmt/format.h>

#include <utility>

#include "models/registry.h"
#include "runtime/memory.h"

namespace autoglm {
namespace {

Error only_of_writers(std::string_view option) {
  return {.code = ErrorCode::kInvalidArgument,
          .what = "option is only for models that generate text",
          .where = std::string(option),
          .expected = "none for an encoder",
          .found = {}};
}

Result<void> check_options(const LoadOptions& options) {
  if (options.speculation.method != "none") return only_of_writers("speculative_method");
  if (options.kv_cache_memory_bytes > 0) return only_of_writers("kv_cache_memory");
  if (!options.kv_cache_spill_path.empty()) return only_of_writers("kv_cache_spill_path");
  if (!options.chat_template.empty()) return only_of_writers("chat_template");
  return {};
}

Result<void> check_memory(const ExecutorPlan& plan) {
  const int64_t available = AGLM_TRY(available_memory_bytes());
  const int64_t needed = plan.weight_bytes + plan.step_bytes;
  if (needed <= available) return {};
  return Error{.code = ErrorCode::kResourceExhausted,
               .what =
                   "the model does not fit into memory; a smaller --max-model-len or "
                   "--quantize int8 needs less",
               .where = "memory",
               .expected = fmt::format("{} for weights and {} for a step",
                                       size_text(plan.weight_bytes), size_text(plan.step_bytes)),
               .found = fmt::format("{} available", size_text(available))};
}

EncoderOutput::Scores scores_of(ScoreActivation activation) {
  switch (activation) {
    case ScoreActivation::kSigmoid: return EncoderOutput::Scores::kSigmoid;
    case ScoreActivation::kSoftmax: return EncoderOutput::Scores::kSoftmax;
    case ScoreActivation::kNone: return EncoderOutput::Scores::kNone;
  }
  return EncoderOutput::Scores::kNone;
}

}  // namespace

std::optional<EncoderInfo> encoder_info(const ExecutorPlan& plan) {
  if (!plan.model->encoder) return std::nullopt;
  const EncoderModel& encoder = *plan.model->encoder;
  return EncoderInfo{.pooling = std::string(pooling_name(encoder.pooling)),
                     .normalizes = encoder.normalized,
                     .labels = encoder.labels,
                     .shortens = encoder.shortens,
                     .dimensions = encoder.dimensions};
}

Result<LoadedEncoder> load_encoder(const Checkpoint& checkpoint, const ExecutorPlan& plan,
                                   const ExecutorOptions& wanted, const LoadOptions& options) {
  AGLM_TRY(check_options(options));
  if (options.max_model_len > plan.max_context) {
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "the model was not made for so long a context",
                 .where = "max_model_len",
                 .expected = fmt::format("at most {}", plan.max_context),
                 .found = fmt::format("{}", options.max_model_len)};
  }
  AGLM_TRY(check_memory(plan));
  const EncoderModel& encoder = *plan.model->encoder;
  LoadedExecutor loaded = AGLM_TRY(load_executor(checkpoint, plan, wanted));
  LoadedEncoder result{
      .max_model_len = options.max_model_len > 0 ? options.max_model_len : encoder.usual_length,
      .instruction_set = std::move(loaded.instruction_set),
      .weight_format = std::move(loaded.weight_format),
      .step_weight_bytes = loaded.step_weight_bytes,
      .operations_per_token = loaded.operations_per_token,
      .tells_texts_apart = encoder.token_types > 1};
  const EncoderOutput output{.row = encoder.pooling == Pooling::kLast ? EncoderOutput::Rows::kLast
                                                                      : EncoderOutput::Rows::kFirst,
                             .info = *encoder_info(plan),
                             .scores = scores_of(encoder.activation)};
  result.engine = std::make_shared<EncoderEngine>(
      std::move(loaded.executor),
      EncoderEngineOptions{.core = {.max_model_len = result.max_model_len,
                                    .output = output,
                                    .window = {.size = options.batch_window_size,
                                               .seconds = options.batch_window_ms * 1e-3},
                                    .tenant_weights = options.tenant_weights},
                           .max_queue = options.max_queue,
                           .tenant_priorities = options.tenant_priorities});
  return result;
}

}  // namespace autoglm
