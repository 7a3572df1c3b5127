// A program's instructions as kernel calls, bound once; a step sets the number of rows and runs
// them in order.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "devices/cpu/op_kernels.h"
#include "devices/device.h"

namespace autoglm {

class KernelCalls {
 public:
  using OnResult = std::function<void(const ComputedRows& rows)>;

  // As Binding. `on_result`: as DeviceOptions.
  KernelCalls(const Program& program, const std::vector<HeldWeight>& weights,
              std::span<const RopeTable> tables, std::byte* arena, OnResult on_result);

  // False: the step was given up. Near its end it is finished all the same.
  bool run(const Context& context, const StepState& step, const KvPool& pool,
           std::span<std::byte> scratch);

  // The most that any call needs.
  int64_t scratch_bytes(const Context& context, int64_t max_rows) const;

 private:
  struct Call {
    Rows rows = Rows::kTokens;
    bool makes_logits = false;  // and nothing else
    KernelCall kernel;
    const Instruction* instruction = nullptr;
  };
  void show(const Call& call, int64_t rows) const;

  const Graph& graph_;
  const std::byte* arena_;
  OnResult on_result_;
  QuantizedPlaces quantized_;
  std::vector<Call> calls_;
};

}  // namespace autoglm
