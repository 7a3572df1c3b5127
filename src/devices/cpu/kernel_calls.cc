#include "devices/cpu/kernel_calls.h"

#include <algorithm>
#include <utility>

#include "kernels/linear/linear.h"

namespace autoglm {

KernelCalls::KernelCalls(const Program& program, const std::vector<HeldWeight>& weights,
                         std::span<const RopeTable> tables, std::byte* arena, OnResult on_result)
    : graph_(program.graph), arena_(arena), on_result_(std::move(on_result)) {
  Binding binding(program, weights, tables, arena, quantized_);
  for (const Instruction& i : program.instructions) {
    const auto output = static_cast<size_t>(i.only_output);
    calls_.push_back(
        {.rows = i.node.shape.rows,
         .makes_logits = i.only_output >= 0 && program.outputs[output].name == kLogitsOutput,
         .kernel = op_kernel(i.node.op).bind(binding, i),
         .instruction = &i});
  }
}

bool KernelCalls::run(const Context& context, const StepState& step, const KvPool& pool,
                      std::span<std::byte> scratch) {
  for (QuantizedPlace& place : quantized_) {
    place.view.rows = step.rows(place.rows);
    place.view.tiled = takes_tiled_rows(context.isa, place.format, place.view.rows);
  }
  const KernelRun run{context, step, pool, scratch};
  const size_t give_up_before = calls_.size() / 4 * 3;
  for (size_t i = 0; i < calls_.size(); ++i) {
    const Call& call = calls_[i];
    if (step.give_up != nullptr && i < give_up_before &&
        step.give_up->load(std::memory_order_relaxed)) {
      return false;
    }
    const int64_t rows = step.rows(call.rows);
    if (rows == 0 || (call.makes_logits && !step.logits)) continue;
    call.kernel.run(run, rows);
    if (on_result_) show(call, rows);
  }
  return true;
}

void KernelCalls::show(const Call& call, int64_t rows) const {
  const Operand& result = call.instruction->result;
  if (result.quantized) return;
  on_result_({.graph = graph_,
              .instruction = *call.instruction,
              .data = reinterpret_cast<const float*>(arena_ + result.offset_bytes),
              .n_rows = rows});
}

int64_t KernelCalls::scratch_bytes(const Context& context, int64_t max_rows) const {
  int64_t most = 64;
  for (const Call& call : calls_) {
    if (call.kernel.scratch_bytes) {
      most = std::max(most, call.kernel.scratch_bytes(context, max_rows));
    }
  }
  return most;
}

}  // namespace autoglm
