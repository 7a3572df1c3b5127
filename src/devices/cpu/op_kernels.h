// How the CPU computes each op, one entry each: from an instruction to a call of its kernel, with
// addresses in the arena and of the weights filled in. Whoever runs a program (kernel_calls.h)
// knows no op.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "devices/cpu/held_weights.h"
#include "devices/cpu/kv_pool.h"
#include "devices/executor.h"
#include "graph/program.h"
#include "kernels/attention/attention.h"
#include "kernels/linear/quantized_rows.h"
#include "kernels/rope/rope.h"
#include "kernels/whole_attention/whole_attention.h"

namespace autoglm {

// A quantized value's place in the arena: the rows in f32, from which the norm quantizes, then the
// rows in int8.
int64_t quantized_place_bytes(int64_t rows, int64_t columns);

// What changes from step to step.
struct StepState {
  std::span<const int32_t> ids;
  std::span<const uint8_t> token_types;  // empty: all are 0
  std::span<const StepEmbeddings> embeddings;
  std::span<const float> hidden_in;
  std::span<const KvSequence> sequences;
  std::span<const TextRows> texts;  // the same rows, for models without a cache
  std::span<const int32_t> output_rows;
  bool logits = true;
  const std::atomic<bool>* give_up = nullptr;
  int64_t rows(Rows which) const {
    return static_cast<int64_t>(which == Rows::kTokens ? ids.size() : output_rows.size());
  }
};

// What a call is given when it runs.
struct KernelRun {
  const Context& context;
  const StepState& step;
  const KvPool& pool;
  std::span<std::byte> scratch;
};

struct KernelCall {
  std::function<void(const KernelRun& run, int64_t rows)> run;
  // Working memory for up to `max_rows`; empty: none.
  std::function<int64_t(const Context& context, int64_t max_rows)> scratch_bytes;
};

// Rows that a norm quantizes for one product: a view of the arena, for how many of which rows, and
// the format of the weight they meet.
struct QuantizedPlace {
  QuantizedRows view;
  Rows rows = Rows::kTokens;
  WeightFormat format = WeightFormat::kInt8;
};
using QuantizedPlaces = std::deque<QuantizedPlace>;  // at addresses that calls hold

// Where the operands of a program's instructions lie. Everything referred to must outlive the calls
// and stay where it is.
class Binding {
 public:
  // `tables` has one entry for each rope of the graph.
  Binding(const Program& program, const std::vector<HeldWeight>& weights,
          std::span<const RopeTable> tables, std::byte* arena, QuantizedPlaces& quantized)
      : program_(program),
        weights_(weights),
        tables_(tables),
        arena_(arena),
        quantized_(quantized) {}

  const Graph& graph() const { return program_.graph; }
  float* at(const Operand& operand) const;
  const HeldWeight& held(WeightId id) const { return weights_[static_cast<size_t>(id)]; }
  const float* vector(WeightId id) const {  // null for none
    return id == WeightId::kNone ? nullptr : held(id).data.as<float>();
  }
  int64_t max_rows(Rows rows) const { return program_.max_rows[rows]; }
  const RopeTable& table(RopeId id) const { return tables_[static_cast<size_t>(id)]; }

  // The quantized rows that an instruction stores; their f32 rows are at `*f32`.
  const QuantizedRows* store_quantized(const Instruction& instruction, float** f32);
  // The rows last stored at `operand`, made to meet `weight`.
  const QuantizedRows* read_quantized(const Operand& operand, const PackedWeight& weight);

 private:
  const Program& program_;
  const std::vector<HeldWeight>& weights_;
  std::span<const RopeTable> tables_;
  std::byte* arena_;
  QuantizedPlaces& quantized_;
  std::map<int64_t, QuantizedPlace*> stored_;  // by offset
};

struct OpKernel {
  Op op = Op::kCount;
  KernelCall (*bind)(Binding& binding, const Instruction& instruction) = nullptr;  // null: a view
};
const OpKernel& op_kernel(Op op);

}  // namespace autoglm
