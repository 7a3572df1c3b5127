// From a checkpoint to an executor that lacks only its KV pages: the one place where models
// meet devices.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "autoglm/result.h"
#include "devices/device.h"
#include "formats/checkpoint.h"
#include "formats/pack_file.h"
#include "graph/program.h"

namespace autoglm {

struct Model;

struct ExecutorOptions {
  std::string device = "auto";          // cpu, cuda, auto
  std::string quantize = "none";        // as parse_quantize() takes it
  std::string kv_cache_dtype = "auto";  // auto, f32, bf16, int8
  int32_t threads = 0;                  // 0: one for each processor
  int32_t max_rows = 512;               // of one step; an encoder takes its longest text at least
  int64_t max_model_len = 0;            // of an encoder's texts; 0: its own
  int32_t max_output_rows = 16;         // rows of logits of one step
  bool fuse = true;                     // false: one kernel call for each recorded op
  std::function<void(double fraction, std::string_view stage)> progress;
  std::function<void(const ComputedRows& rows)> on_result;  // as DeviceOptions
};

// What a model is and what it will need, known without reading a weight. Option values that do not
// exist are errors here.
struct ExecutorPlan {
  std::string architecture;
  std::string quantization;  // as ExecutorOptions; a packed model says its own
  int64_t parameters = 0;
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t max_context = 0;
  int32_t max_rows = 0;      // of one step
  int64_t weight_bytes = 0;  // as they will be held
  int64_t step_bytes = 0;    // working memory: the arena, logits, buffers of kernels
  int32_t page_tokens = 0;   // as ExecutorLimits
  int64_t page_bytes = 0;
  std::shared_ptr<const Model> model;  // recorded once, for all that follows
};
Result<ExecutorPlan> plan_executor(const Checkpoint& checkpoint, const ExecutorOptions& options);
// The same model with other options.
Result<ExecutorPlan> plan_otherwise(const Checkpoint& checkpoint, const ExecutorPlan& plan,
                                    const ExecutorOptions& options);

// The program that the executor will run, for `autoglm graph`: program_text() and its kin.
Result<Program> plan_program(const Checkpoint& checkpoint, const ExecutorOptions& options);

struct LoadedExecutor {
  std::unique_ptr<Executor> executor;
  std::string instruction_set;  // "avx2"
  std::string weight_format;    // of the layers' matrices: "bf16"
  int64_t step_weight_bytes = 0;
  int64_t operations_per_token = 0;
  std::shared_ptr<const PackFile> pack;  // that weights are mapped from; nullptr: packed anew
  std::string numerics;                  // as ModelIdentity
};
// `plan`: of the same checkpoint and options.
Result<LoadedExecutor> load_executor(const Checkpoint& checkpoint, const ExecutorPlan& plan,
                                     const ExecutorOptions& options);
Result<LoadedExecutor> load_executor(const Checkpoint& checkpoint, const ExecutorOptions& options);

}  // namespace autoglm
