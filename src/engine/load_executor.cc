// Joins a checkpoint's weights, a model's graph and the CPU.
#include "engine/load_executor.h"

#include <utility>

#include "base/files.h"
#include "devices/cpu/cpu_executor.h"
#include "kernels/attention/attention.h"
#include "models/registry.h"

namespace autoglm {
namespace {

void drop_pages(const StoredTensor& tensor) {
  MappedFile::drop_pages(tensor.bytes);
  if (tensor.quantized == nullptr) return;
  for (const auto& part : tensor.quantized->parts) MappedFile::drop_pages(part);
}

class CheckpointWeights : public WeightSource {
 public:
  explicit CheckpointWeights(const Checkpoint& checkpoint) : checkpoint_(&checkpoint) {}

  Result<SourceTensor> open(std::string_view name) const override {
    const StoredTensor* tensor = checkpoint_->find(name);
    if (tensor == nullptr) {
      return Error{ErrorCode::kNotFound, "tensor is missing", checkpoint_->path(),
                   std::string(name), "no such tensor"};
    }
    return SourceTensor{
        .dtype = tensor->dtype,
        .where = tensor->where,
        .decode_row = [tensor](int64_t row,
                               std::span<float> out) { decode_row(*tensor, row, out); },
        .stored_row = [tensor](int64_t row) { return tensor->row(row); },
        .release = [tensor] { drop_pages(*tensor); }};
  }

 private:
  const Checkpoint* checkpoint_;
};

Result<CpuOptions> cpu_options(const ExecutorOptions& options, int64_t max_context) {
  if (options.device != "auto" && options.device != "cpu") {
    return Error{ErrorCode::kUnsupported, "device is not available", "device", "auto or cpu",
                 options.device};
  }
  return CpuOptions{.quantize = AGLM_TRY(parse_quantize(options.quantize)),
                    .kv_dtype = AGLM_TRY(parse_kv_dtype(options.kv_cache_dtype)),
                    .threads = options.threads,
                    .max_rows = options.max_rows,
                    .max_output_rows = options.max_output_rows,
                    .max_context = max_context,
                    .fuse = options.fuse,
                    .progress = options.progress};
}

}  // namespace

Result<ExecutorPlan> plan_executor(const Checkpoint& checkpoint, const ExecutorOptions& options) {
  AGLM_TRY(cpu_options(options, 0));
  const Model model = AGLM_TRY(build_model(checkpoint));
  const CpuOptions cpu = AGLM_TRY(cpu_options(options, model.max_context));
  const CpuMemory memory = AGLM_TRY(cpu_memory(model.graph, CheckpointWeights(checkpoint), cpu));
  return ExecutorPlan{.architecture = model.architecture,
                      .parameters = model.parameters,
                      .vocab_size = model.vocab_size,
                      .hidden_size = model.hidden_size,
                      .layers = model.n_layers,
                      .max_context = model.max_context,
                      .weight_bytes = memory.weight_bytes,
                      .step_bytes = memory.arena_bytes,
                      .page_tokens = static_cast<int32_t>(KvCache::kPageTokens),
                      .page_bytes = memory.page_bytes};
}

Result<Program> plan_program(const Checkpoint& checkpoint, const ExecutorOptions& options) {
  const Model model = AGLM_TRY(build_model(checkpoint));
  return cpu_program(model.graph, AGLM_TRY(cpu_options(options, model.max_context)));
}

Result<LoadedExecutor> load_executor(std::shared_ptr<const Checkpoint> checkpoint,
                                     const ExecutorOptions& options) {
  const Model model = AGLM_TRY(build_model(*checkpoint));
  const CpuOptions cpu = AGLM_TRY(cpu_options(options, model.max_context));
  std::unique_ptr<CpuExecutor> executor =
      AGLM_TRY(make_cpu_executor(model.graph, CheckpointWeights(*checkpoint), cpu));
  const ModelSummary summary = executor->summary();
  return LoadedExecutor{.executor = std::move(executor),
                        .instruction_set = summary.isa,
                        .weight_format = summary.weight_format,
                        .step_weight_bytes = summary.step_weight_bytes,
                        .operations_per_token = summary.operations_per_token};
}

}  // namespace autoglm
