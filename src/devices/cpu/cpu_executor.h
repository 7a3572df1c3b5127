// The CPU as a device: fuses and compiles a graph, packs its weights for the kernels, and runs
// steps.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "autoglm/result.h"
#include "base/processors.h"
#include "devices/cpu/weight_source.h"
#include "devices/executor.h"
#include "graph/graph.h"
#include "graph/program.h"
#include "tensor/weight_format.h"

namespace autoglm {

// One of quantize_names(): what matrices inside layers are rounded to, int8 for embedding and
// output matrix then; nullopt for "none": floats and quantized codes as stored, of GGUF's block
// formats those that no format holds become bf16.
Result<std::optional<WeightFormat>> parse_quantize(std::string_view name);

enum class KvDType : uint8_t {
  kAuto,  // f32 when matrices are held in f32, else bf16
  kF32,
  kBF16,
  kInt8,  // a scale for each head and token
};
Result<KvDType> parse_kv_dtype(std::string_view name);  // "auto", "f32", "bf16", "int8" (or "q8_0")

struct CpuOptions {
  std::optional<WeightFormat> quantize;  // as parse_quantize() tells
  KvDType kv_dtype = KvDType::kAuto;
  int threads = 0;  // 0: one for each processor
  ProcessorsByNode processors = usable_processors();
  std::string isa;               // empty: $AUTOGLM_ISA, else the machine's best
  int32_t max_rows = 512;        // tokens of one step
  int32_t max_output_rows = 64;  // rows of one step whose logits are wanted
  int64_t max_context = 0;       // positions the model was made for
  bool fuse = true;              // false: one kernel call for each recorded op, the same bits
  std::function<void(double fraction, std::string_view stage)> progress;  // while loading
};

// What a model takes on this device, known before any weight is read.
struct CpuMemory {
  int64_t weight_bytes = 0;
  int64_t arena_bytes = 0;  // activations, logits and the kernels' working memory
  int64_t page_bytes = 0;   // one KV page: 32 positions over all layers
};
Result<CpuMemory> cpu_memory(const Graph& graph, const WeightSource& source,
                             const CpuOptions& options);

struct ModelSummary {
  int64_t layers = 0;
  int64_t weight_bytes = 0;
  int64_t step_weight_bytes = 0;     // of the matrices that each step reads from end to end
  int64_t operations_per_token = 0;  // of the products of one row, without the output matrix
  int64_t arena_bytes = 0;
  int64_t arena_bytes_without_reuse = 0;
  int64_t page_bytes = 0;
  std::string isa;            // "avx2"
  std::string weight_format;  // of the layers' matrices: "bf16", "int4"
  std::string kv_format;      // "f32", "bf16"
  bool amx_sums = false;      // bits are not those of other instruction sets (decision 0072)
  int threads = 0;
  int nodes = 0;  // of memory, with threads on each
};

class CpuExecutor : public Executor {
 public:
  virtual const ModelSummary& summary() const = 0;
  virtual const Program& program() const = 0;
};

// `graph` as a model recorded it. Weights are read in parallel and copied: the source is not needed
// afterwards. Errors: a tensor that the source lacks, no memory, an instruction set that is not
// there.
Result<std::unique_ptr<CpuExecutor>> make_cpu_executor(const Graph& graph,
                                                       const WeightSource& source,
                                                       const CpuOptions& options);

// The program that make_cpu_executor() would run, without weights: for `autoglm graph`.
Result<Program> cpu_program(const Graph& graph, const WeightSource& source,
                            const CpuOptions& options);

}  // namespace autoglm
