// Joins a checkpoint's weights, a model's graph and the CPU.
#include "runtime/load_executor.h"

#include <fmt/format.h>

#include <utility>

#include "base/log.h"
#include "devices/cpu/cpu_executor.h"
#include "devices/cpu/pack_weights.h"
#include "kernels/arithmetic.h"
#include "kernels/attention/attention.h"
#include "models/registry.h"
#include "runtime/checkpoint_weights.h"

namespace autoglm {
namespace {

Result<CpuOptions> cpu_options(const ExecutorOptions& options, int64_t max_context) {
  if (options.device != "auto" && options.device != "cpu") {
    return Error{ErrorCode::kUnsupported, "device is not available", "device", "auto or cpu",
                 options.device};
  }
  const auto quantize = AGLM_TRY(parse_quantize(options.quantize));
  const auto kv_dtype = AGLM_TRY(parse_kv_dtype(options.kv_cache_dtype));
  return CpuOptions{.quantize = quantize,
                    .kv_dtype = kv_dtype,
                    .threads = options.threads,
                    .max_rows = options.max_rows,
                    .max_output_rows = options.max_output_rows,
                    .max_context = max_context,
                    .fuse = options.fuse,
                    .progress = options.progress};
}

// All that decides the bits of a result beside the model's files. Threads, batches and the order of
// requests do not (docs/decisions/0001), nor do instruction sets, but for AMX (0072).
std::string numerics(const std::string& quantize, const ModelSummary& summary,
                     const PackFile* pack) {
  const int64_t rounding =
      pack != nullptr ? pack->header().rounding_version : kWeightRoundingVersion;
  return fmt::format("weights in {} ({}, rounding {}); KV pages in {}; {} sums; arithmetic {}",
                     summary.weight_format, quantize, rounding, summary.kv_format,
                     summary.amx_sums ? "AMX" : "plain", kArithmeticVersion);
}

}  // namespace

Result<ExecutorPlan> plan_executor(const Checkpoint& checkpoint, const ExecutorOptions& options) {
  const CheckpointWeights weights = AGLM_TRY(CheckpointWeights::of(checkpoint));
  ExecutorOptions wanted = options;
  wanted.quantize = AGLM_TRY(weights.quantize(options.quantize));
  AGLM_TRY(cpu_options(wanted, 0));
  const Model model = AGLM_TRY(build_model(checkpoint));
  const CpuOptions cpu = AGLM_TRY(cpu_options(wanted, model.max_context));
  const CpuMemory memory = AGLM_TRY(cpu_memory(model.graph, weights, cpu));
  return ExecutorPlan{.architecture = model.architecture,
                      .quantization = wanted.quantize,
                      .parameters = model.parameters,
                      .vocab_size = model.vocab_size,
                      .hidden_size = model.hidden_size,
                      .layers = model.n_layers,
                      .heads = model.n_heads,
                      .kv_heads = model.n_kv_heads,
                      .head_dim = model.head_dim,
                      .max_context = model.max_context,
                      .weight_bytes = memory.weight_bytes,
                      .step_bytes = memory.arena_bytes,
                      .page_tokens = static_cast<int32_t>(KvCache::kPageTokens),
                      .page_bytes = memory.page_bytes};
}

Result<Program> plan_program(const Checkpoint& checkpoint, const ExecutorOptions& options) {
  ExecutorOptions wanted = options;
  const CheckpointWeights weights = AGLM_TRY(CheckpointWeights::of(checkpoint));
  wanted.quantize = AGLM_TRY(weights.quantize(options.quantize));
  const Model model = AGLM_TRY(build_model(checkpoint));
  return cpu_program(model.graph, weights, AGLM_TRY(cpu_options(wanted, model.max_context)));
}

Result<LoadedExecutor> load_executor(std::shared_ptr<const Checkpoint> checkpoint,
                                     const ExecutorOptions& options) {
  CheckpointWeights weights = AGLM_TRY(CheckpointWeights::of(*checkpoint));
  ExecutorOptions wanted = options;
  wanted.quantize = AGLM_TRY(weights.quantize(options.quantize));
  const Model model = AGLM_TRY(build_model(*checkpoint));
  const CpuOptions cpu = AGLM_TRY(cpu_options(wanted, model.max_context));
  weights.look_for_pack(model.graph, cpu, wanted.quantize);
  std::unique_ptr<CpuExecutor> executor = AGLM_TRY(make_cpu_executor(model.graph, weights, cpu));
  const ModelSummary summary = executor->summary();
  if (summary.nodes > 1) {
    logger()->info("weights lie in the memory of {} NUMA nodes, near the threads that read them",
                   summary.nodes);
  }
  return LoadedExecutor{.executor = std::move(executor),
                        .instruction_set = summary.isa,
                        .weight_format = summary.weight_format,
                        .step_weight_bytes = summary.step_weight_bytes,
                        .operations_per_token = summary.operations_per_token,
                        .pack = weights.pack(),
                        .numerics = numerics(wanted.quantize, summary, weights.pack().get())};
}

}  // namespace autoglm
