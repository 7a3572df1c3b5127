// Joins a checkpoint's weights, a model's graph and the CPU.
#include "runtime/load_executor.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "devices/device.h"
#include "models/registry.h"
#include "runtime/checkpoint_weights.h"

namespace autoglm {
namespace {

Result<DeviceOptions> device_options(const ExecutorOptions& options, int64_t max_context) {
  const auto quantize = AGLM_TRY(parse_quantize(options.quantize));
  const auto kv_dtype = AGLM_TRY(parse_kv_dtype(options.kv_cache_dtype));
  return DeviceOptions{.quantize = quantize,
                       .kv_dtype = kv_dtype,
                       .threads = options.threads,
                       .max_rows = options.max_rows,
                       .max_output_rows = options.max_output_rows,
                       .max_context = max_context,
                       .fuse = options.fuse,
                       .progress = options.progress,
                       .on_result = options.on_result};
}

// Texts of one step of an encoder: more gain nothing, since short ones fill a step's rows by then.
constexpr int32_t kMostTexts = 256;

// An encoder's texts come whole, and pooled rows of texts take the place of rows with logits.
void widen_for_texts(const EncoderModel& encoder, int64_t max_model_len, DeviceOptions& options) {
  const int64_t longest =
      max_model_len > 0 ? std::min(max_model_len, options.max_context) : encoder.usual_length;
  options.max_rows = std::max(options.max_rows, static_cast<int32_t>(longest));
  options.max_output_rows = std::min(options.max_rows, kMostTexts);
}

// A checkpoint's model with its weights and the device that it is for: what all below begin with.
struct Start {
  const Device* device;
  CheckpointWeights weights;
  std::string quantize;  // as ExecutorPlan
  std::shared_ptr<const Model> model;
  DeviceOptions options;

  // `model`: as built before, or nullptr.
  static Result<Start> of(const Checkpoint& checkpoint, const ExecutorOptions& options,
                          std::shared_ptr<const Model> model) {
    const Device* device = AGLM_TRY(find_device(options.device));
    CheckpointWeights weights = AGLM_TRY(CheckpointWeights::of(checkpoint, *device));
    ExecutorOptions wanted = options;
    wanted.quantize = AGLM_TRY(weights.quantize(options.quantize));
    DeviceOptions known = AGLM_TRY(device_options(wanted, 0));  // words are checked before files
    if (!model) model = std::make_shared<const Model>(AGLM_TRY(build_model(checkpoint)));
    known.max_context = model->max_context;
    if (model->encoder) widen_for_texts(*model->encoder, options.max_model_len, known);
    return Start{device, std::move(weights), std::move(wanted.quantize), std::move(model),
                 std::move(known)};
  }
};

Result<ExecutorPlan> plan_of(const Checkpoint& checkpoint, const ExecutorOptions& options,
                             std::shared_ptr<const Model> built) {
  const Start start = AGLM_TRY(Start::of(checkpoint, options, std::move(built)));
  const Model& model = *start.model;
  const DevicePlan plan = AGLM_TRY(start.device->plan(model.graph, start.weights, start.options));
  return ExecutorPlan{.architecture = model.architecture,
                      .quantization = start.quantize,
                      .parameters = model.parameters,
                      .vocab_size = model.vocab_size,
                      .hidden_size = model.hidden_size,
                      .layers = model.n_layers,
                      .heads = model.n_heads,
                      .kv_heads = model.n_kv_heads,
                      .head_dim = model.head_dim,
                      .max_context = model.max_context,
                      .max_rows = start.options.max_rows,
                      .weight_bytes = plan.weight_bytes,
                      .step_bytes = plan.arena_bytes,
                      .page_tokens = plan.page_tokens,
                      .page_bytes = plan.page_bytes,
                      .model = start.model};
}

}  // namespace

Result<ExecutorPlan> plan_executor(const Checkpoint& checkpoint, const ExecutorOptions& options) {
  return plan_of(checkpoint, options, nullptr);
}

Result<ExecutorPlan> plan_otherwise(const Checkpoint& checkpoint, const ExecutorPlan& plan,
                                    const ExecutorOptions& options) {
  return plan_of(checkpoint, options, plan.model);
}

Result<Program> plan_program(const Checkpoint& checkpoint, const ExecutorOptions& options) {
  const Start start = AGLM_TRY(Start::of(checkpoint, options, nullptr));
  return start.device->program(start.model->graph, start.weights, start.options);
}

Result<LoadedExecutor> load_executor(const Checkpoint& checkpoint, const ExecutorPlan& plan,
                                     const ExecutorOptions& options) {
  Start start = AGLM_TRY(Start::of(checkpoint, options, plan.model));
  const Graph& graph = start.model->graph;
  start.weights.look_for_pack(graph, start.options, start.quantize);
  std::unique_ptr<DeviceExecutor> executor =
      AGLM_TRY(start.device->load(graph, start.weights, start.options));
  const ModelSummary summary = executor->summary();
  if (summary.nodes > 1) {
    logger()->info("weights lie in the memory of {} NUMA nodes, near the threads that read them",
                   summary.nodes);
  }
  const PackFile* pack = start.weights.pack().get();
  const int64_t rounding =
      pack != nullptr ? pack->header().rounding_version : start.device->weight_rounding_version();
  return LoadedExecutor{
      .executor = std::move(executor),
      .instruction_set = summary.isa,
      .weight_format = summary.weight_format,
      .step_weight_bytes = summary.step_weight_bytes,
      .operations_per_token = summary.operations_per_token,
      .pack = start.weights.pack(),
      .numerics = fmt::format("weights in {} ({}, rounding {}); {}", summary.weight_format,
                              start.quantize, rounding, summary.numerics)};
}

Result<LoadedExecutor> load_executor(const Checkpoint& checkpoint, const ExecutorOptions& options) {
  const ExecutorPlan plan = AGLM_TRY(plan_executor(checkpoint, options));
  return load_executor(checkpoint, plan, options);
}

}  // namespace autoglm
