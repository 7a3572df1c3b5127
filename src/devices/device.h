// A device: what runs a model's graph, seen by whoever loads a model. cpu/ is one; another is a
// folder beside it and a line in device.cc. How a device holds weights, keys and values is its own
// business; executor.h is what the engine sees of a model that was loaded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "base/processors.h"
#include "devices/executor.h"
#include "devices/weight_source.h"
#include "graph/graph.h"
#include "graph/program.h"
#include "tensor/weight_format.h"

namespace autoglm {

enum class KvDType : uint8_t {
  kAuto,  // f32 when matrices are held in f32, else bf16
  kF32,
  kBF16,
  kInt8,  // a scale for each head and token
};
Result<KvDType> parse_kv_dtype(std::string_view name);  // "auto", "f32", "bf16", "int8" (or "q8_0")

// One of quantize_names(): what matrices inside layers are rounded to, int8 for embedding and
// output matrix then; nullopt for "none": floats and quantized codes as stored, of GGUF's block
// formats those that no format holds become bf16.
Result<std::optional<WeightFormat>> parse_quantize(std::string_view name);

// What an instruction of a step has computed: [n_rows, instruction.result.columns], rows
// instruction.result.stride apart. Gone when the next instruction runs.
struct ComputedRows {
  const Graph& graph;  // of the program
  const Instruction& instruction;
  const float* data = nullptr;
  int64_t n_rows = 0;
};

struct DeviceOptions {
  std::optional<WeightFormat> quantize;  // as parse_quantize() tells
  KvDType kv_dtype = KvDType::kAuto;
  int threads = 0;  // of the host; 0: one for each processor
  ProcessorsByNode processors = usable_processors();
  std::string isa;               // of the host; empty: $AUTOGLM_ISA, else the machine's best
  int32_t max_rows = 512;        // tokens of one step
  int32_t max_output_rows = 64;  // rows of one step whose logits are wanted
  int64_t max_context = 0;       // positions the model was made for
  bool fuse = true;              // false: one kernel call for each recorded op, the same bits
  std::function<void(double fraction, std::string_view stage)> progress;  // while loading
  // Sees every result of a step but rows in int8, in the order of the program: for finding the op
  // that is wrong.
  std::function<void(const ComputedRows& rows)> on_result;
};

// What a model takes on the device, known before any weight is read.
struct DevicePlan {
  int64_t weight_bytes = 0;
  int64_t arena_bytes = 0;  // activations, logits and the kernels' working memory
  int32_t page_tokens = 0;  // as ExecutorLimits
  int64_t page_bytes = 0;   // one KV page over all layers
};

struct ModelSummary {
  int64_t layers = 0;
  int64_t weight_bytes = 0;
  // Of the matrices that a step of one row reads from end to end; of experts, those that it
  // chooses.
  int64_t step_weight_bytes = 0;
  int64_t operations_per_token = 0;  // of the products of one row, without the output matrix
  int64_t arena_bytes = 0;
  int64_t arena_bytes_without_reuse = 0;
  int64_t page_bytes = 0;
  std::string isa;            // "avx2"
  std::string weight_format;  // of the layers' matrices: "bf16", "int4"
  std::string kv_format;      // "f32", "bf16"
  // All that decides the bits of a result beside the weights as they are held: the form of keys and
  // values, whose sums they are where instruction sets differ (decision 0072), the version of the
  // arithmetic. Threads, batches and the order of requests do not (decision 0001).
  std::string numerics;
  int threads = 0;
  int nodes = 0;  // of memory, with threads on each
};

// An executor, and what was found when its model was loaded.
class DeviceExecutor : public Executor {
 public:
  virtual const ModelSummary& summary() const = 0;
  virtual const Program& program() const = 0;
};

// As HeldTensor, before there are bytes.
struct WeightDescription {
  std::string key;
  std::string form;
  std::string format;
  std::string order;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t bytes = 0;
  bool operator==(const WeightDescription&) const = default;
};

// `graph` is always as a model recorded it: fusing and compiling it is the device's.
class Device {
 public:
  virtual ~Device() = default;
  virtual std::string_view name() const = 0;  // "cpu"

  // Errors of all that follow: options that make no sense here, a tensor that the source lacks.
  virtual Result<DevicePlan> plan(const Graph& graph, const WeightSource& source,
                                  const DeviceOptions& options) const = 0;
  // The program that load() would run: for `autoglm graph`.
  virtual Result<Program> program(const Graph& graph, const WeightSource& source,
                                  const DeviceOptions& options) const = 0;
  // Weights are read in parallel and copied, unless they are held() already: the source is not
  // needed afterwards. Errors: no memory, an instruction set that is not there.
  virtual Result<std::unique_ptr<DeviceExecutor>> load(const Graph& graph,
                                                       const WeightSource& source,
                                                       const DeviceOptions& options) const = 0;

  // A model's weights as the device would hold them, for whoever keeps them for the next start
  // (WeightSource::held() then gives them back). Of the weights that the program of `graph` uses,
  // in the graph's order.
  virtual Result<std::vector<WeightDescription>> describe_weights(
      const Graph& graph, const WeightSource& source, const DeviceOptions& options) const = 0;
  // Calls take() once for each of describe_weights(), in that order, with bytes that are gone after
  // it returns; one weight is in memory at a time. The first error ends it.
  virtual Result<void> pack(
      const Graph& graph, const WeightSource& source, const DeviceOptions& options,
      const std::function<Result<void>(std::span<const std::byte>)>& take) const = 0;
  // Raised when a layout of packed weights changes: bytes of another layout mean other numbers.
  virtual int64_t weight_layout_version() const = 0;
  // Raised when the same checkpoint and options are rounded to other numbers than before: what an
  // older program packed is then no longer what this one would.
  virtual int64_t weight_rounding_version() const = 0;
};

// "cpu", or "auto" for the best there is. Errors: a device that this machine or program lacks.
Result<const Device*> find_device(std::string_view name);

}  // namespace autoglm
