// How the CPU will hold a graph's weights; decided before anything of them is read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "devices/weight_source.h"
#include "graph/graph.h"
#include "kernels/linear/packed_weight.h"
#include "tensor/dtype.h"

namespace autoglm {

struct WeightPlan {
  enum class Form : uint8_t { kUnused, kPacked, kRows, kVector };
  Form form = Form::kUnused;
  WeightFormat format = WeightFormat::kF32;
  PackOrder order = PackOrder::kPlain;
  int64_t bytes = 0;
  WeightId input_norm = WeightId::kNone;  // of the norm whose result the weight multiplies
  bool operator==(const WeightPlan&) const = default;
};
// One for each weight of the graph. What the source has ready is taken as it is held there, or
// refused when it does not fit the graph.
Result<std::vector<WeightPlan>> plan_weights(const Graph& graph, const WeightSource& source,
                                             std::optional<WeightFormat> quantize);
// Whether every product but a router's will be one of integers, so that norms may hand on int8
// rows.
bool products_are_integers(const Graph& graph, const std::vector<WeightPlan>& plans);
// The format of the layers' matrices (the first one's).
WeightFormat matrix_format(const Graph& graph, const std::vector<WeightPlan>& plans);

// The rows of which tensors a weight is made of: "a.weight[0+64]; b.weight[64+64]".
std::string weight_key(const Weight& weight);
PackShape pack_shape(const Weight& weight, PackOrder order);
std::string_view form_name(WeightPlan::Form form);  // "packed"
std::string_view pack_order_name(PackOrder order);  // "plain", "gate_up"

// The elements of rows that are held in a format of floats.
DType dtype_of(WeightFormat format);
// The format that holds what is stored so without rounding: codes that a quantizer chose as they
// are, floats as f16, bf16 or f32.
WeightFormat held_as(const StoredForm& stored);

}  // namespace autoglm
