// A graph's weights as the CPU holds them: matrices packed for the products, embedding tables that
// nothing multiplies as plain rows, vectors as f32.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "base/aligned_buffer.h"
#include "devices/cpu/cpu_executor.h"
#include "graph/graph.h"
#include "kernels/linear/packed_weight.h"

namespace autoglm {

class ThreadPool;

// How one weight will be held; decided before anything is read.
struct WeightPlan {
  enum class Form : uint8_t { kUnused, kPacked, kRows, kVector };
  Form form = Form::kUnused;
  WeightFormat format = WeightFormat::kF32;
  PackOrder order = PackOrder::kPlain;
  int64_t bytes = 0;
  WeightId input_norm = WeightId::kNone;  // of the norm whose result the weight multiplies
  bool operator==(const WeightPlan&) const = default;
};
// What the source has ready is taken as it is held there, or refused when it does not fit the
// graph.
Result<std::vector<WeightPlan>> plan_weights(const Graph& graph, const WeightSource& source,
                                             std::optional<WeightFormat> quantize);
// Whether every product will be one of integers, so that norms may hand on int8 rows.
bool products_are_integers(const std::vector<WeightPlan>& plans);
// The format of the layers' matrices (the first one's).
WeightFormat matrix_format(const Graph& graph, const std::vector<WeightPlan>& plans);

struct HeldWeight {
  PackedWeight packed;  // kPacked
  AlignedBuffer data;   // kRows: [rows, columns] of `dtype`; kVector: f32
  DType dtype = DType::kF32;
  std::shared_ptr<const void> memory;  // where `packed` or `data` views someone else's

  std::span<const std::byte> stored() const {
    return packed.empty() ? std::span<const std::byte>(data.data(), data.size()) : packed.stored();
  }
};

// The rows of which tensors a weight is made of: "a.weight[0+64]; b.weight[64+64]".
std::string weight_key(const Weight& weight);
std::string_view form_name(WeightPlan::Form form);  // "packed"
std::string_view pack_order_name(PackOrder order);  // "plain", "gate_up"

// Weight `index` of the graph.
Result<HeldWeight> hold_weight(const Graph& graph, size_t index, const WeightPlan& plan,
                               const WeightSource& source, ThreadPool& pool);

// One for each weight of the graph.
Result<std::vector<HeldWeight>> load_weights(const Graph& graph,
                                             const std::vector<WeightPlan>& plans,
                                             const WeightSource& source, ThreadPool& pool,
                                             const DeviceOptions& options);

}  // namespace autoglm
