// A graph's weights as the CPU holds them: matrices packed for the products, embedding tables that
// nothing multiplies as plain rows, vectors as f32.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "autoglm/result.h"
#include "base/aligned_buffer.h"
#include "devices/cpu/cpu_executor.h"
#include "devices/cpu/plan_weights.h"
#include "graph/graph.h"
#include "kernels/linear/packed_weight.h"

namespace autoglm {

class ThreadPool;

struct HeldWeight {
  PackedWeight packed;  // kPacked
  AlignedBuffer data;   // kRows: [rows, columns] of `dtype`; kVector: f32
  DType dtype = DType::kF32;
  std::shared_ptr<const void> memory;  // where `packed` or `data` views someone else's

  std::span<const std::byte> stored() const {
    return packed.empty() ? std::span<const std::byte>(data.data(), data.size()) : packed.stored();
  }
};

// Weight `index` of the graph.
Result<HeldWeight> hold_weight(const Graph& graph, size_t index, const WeightPlan& plan,
                               const WeightSource& source, ThreadPool& pool);

// One for each weight of the graph.
Result<std::vector<HeldWeight>> load_weights(const Graph& graph,
                                             const std::vector<WeightPlan>& plans,
                                             const WeightSource& source, ThreadPool& pool,
                                             const DeviceOptions& options);

}  // namespace autoglm
