// cos and sin of the rows of one step, for each rope of a graph; made once a step.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "autoglm/result.h"
#include "base/aligned_buffer.h"
#include "devices/executor.h"
#include "graph/graph.h"
#include "kernels/rope/rope.h"

namespace autoglm {

class RopeTables {
 public:
  RopeTables() = default;

  // For up to `max_rows`.
  static Result<RopeTables> reserve(const Graph& graph, int64_t max_rows) {
    RopeTables tables;
    for (const Rope& rope : graph.ropes()) {
      const size_t floats = static_cast<size_t>(max_rows) * rope.inverse_frequencies.size();
      AlignedBuffer memory = AGLM_TRY(AlignedBuffer::allocate(2 * floats * sizeof(float)));
      tables.views_.push_back({memory.as<float>(), memory.as<float>() + floats});
      tables.memory_.push_back(std::move(memory));
    }
    return tables;
  }

  // One for each rope, at addresses that stay.
  std::span<const RopeTable> views() const { return views_; }

  // `graph`: the one they were reserved for.
  void fill(const Context& context, const Graph& graph, std::span<const RotaryPosition> positions) {
    for (size_t i = 0; i < memory_.size(); ++i) {
      const Rope& rope = graph.ropes()[i];
      auto* cos = memory_[i].as<float>();
      rope_table(context, {.positions = positions,
                           .inv_freq = rope.inverse_frequencies,
                           .components = rope.components,
                           .mscale = rope.attention_factor,
                           .cos = cos,
                           .sin = cos + (views_[i].sin - views_[i].cos)});
    }
  }

 private:
  std::vector<AlignedBuffer> memory_;
  std::vector<RopeTable> views_;
};

}  // namespace autoglm
