// A program's instructions as kernel calls: arguments filled in once, with addresses in the arena
// and of the weights; a step sets the number of rows and runs them in order.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "devices/cpu/held_weights.h"
#include "devices/cpu/kv_pool.h"
#include "graph/program.h"
#include "kernels/attention/attention.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/embedding/embedding.h"
#include "kernels/linear/linear.h"
#include "kernels/norm/rms_norm.h"
#include "kernels/rope/rope.h"

namespace autoglm {

// A quantized value's place in the arena: the rows in f32, from which the norm quantizes, then the
// rows in int8.
inline int64_t f32_rows_bytes(int64_t rows, int64_t columns) {
  const int64_t bytes = rows * columns * int64_t{sizeof(float)};
  return (bytes + MemoryPlan::kAlignment - 1) / MemoryPlan::kAlignment * MemoryPlan::kAlignment;
}
inline int64_t quantized_place_bytes(int64_t rows, int64_t columns) {
  return f32_rows_bytes(rows, columns) + QuantizedRows::bytes(rows, columns);
}

// What changes from step to step.
struct StepState {
  std::span<const int32_t> ids;
  std::span<const KvSequence> sequences;
  std::span<const int32_t> output_rows;
  bool logits = true;
  const std::atomic<bool>* give_up = nullptr;
  int64_t rows(Rows which) const {
    return static_cast<int64_t>(which == Rows::kTokens ? ids.size() : output_rows.size());
  }
};

class KernelCalls {
 public:
  // Everything referred to must outlive the calls and stay where it is. `tables` has one entry for
  // each rope of the graph.
  KernelCalls(const Program& program, const std::vector<HeldWeight>& weights,
              std::span<const RopeTable> tables, std::byte* arena);

  // False: the step was given up. Near its end it is finished all the same.
  bool run(const Context& context, const StepState& step, const KvPool& pool,
           std::span<std::byte> scratch);

  // The most that any call needs.
  int64_t scratch_bytes(const Context& context, int64_t max_rows) const;

 private:
  struct Attention {
    KvWriteArgs write;
    AttentionArgs attend;
    int32_t layer = 0;
    int64_t head_dim = 0;
  };
  struct Select {
    const float* x = nullptr;
    int64_t x_stride = 0;
    float* y = nullptr;
    int64_t y_stride = 0;
    int64_t columns = 0;
  };
  struct Swiglu {
    BinaryArgs args;
  };
  struct Add {
    BinaryArgs args;
  };
  struct Call {
    Rows rows = Rows::kTokens;
    bool makes_logits = false;  // and nothing else
    std::variant<EmbeddingArgs, LinearArgs, RmsNormArgs, RopeArgs, Attention, Swiglu, Add, Select>
        args;
  };
  struct Runner;
  class Binder;

  // Rows that a norm quantizes: how many there are, and the format of the weight they meet.
  struct QuantizedUse {
    Rows rows = Rows::kTokens;
    WeightFormat format = WeightFormat::kInt8;
  };

  std::vector<QuantizedRows> quantized_;  // views of the arena, at addresses that calls hold
  std::vector<QuantizedUse> quantized_uses_;
  std::vector<Call> calls_;
};

}  // namespace autoglm
