#include "goldens/value_names.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace autoglm {
namespace {

constexpr std::string_view kWeight = ".weight";
constexpr std::string_view kLayers = "model.layers.";

std::string without_weight(const std::string& tensor) {
  return tensor.ends_with(kWeight) ? tensor.substr(0, tensor.size() - kWeight.size()) : tensor;
}

// "model.layers.0.mlp.gate_proj" is in "model.layers.0.mlp."
std::string module_of(const std::string& name) { return name.substr(0, name.rfind('.') + 1); }

// The name of the columns that begin with `column`.
std::string name_at(const Graph& graph, int32_t value, int64_t column) {
  const Node& node = graph.node(value);
  if (node.op == Op::kSlice) return name_at(graph, node.inputs[0], node.first_column + column);
  for (const NamedColumns& part : value_names(graph, value)) {
    if (column >= part.first && column < part.first + part.columns) return part.name;
  }
  AGLM_CHECK(false, "value {} has no column {}", value, column);
}

// Of a linear: its tensors, one after the other.
std::vector<NamedColumns> tensors_of(const Graph& graph, const Node& node) {
  std::vector<NamedColumns> parts;
  int64_t first = 0;
  for (const WeightPart& part : graph.weight(node.weight()).parts) {
    parts.push_back({without_weight(part.tensor), first, part.rows});
    first += part.rows;
  }
  return parts;
}

// What is added to the stream that goes through all layers: a sum's other part.
std::string added(const Graph& graph, const Node& sum) {
  for (const int32_t input : sum.inputs) {
    const Op op = graph.node(input).op;
    if (op == Op::kLinear || op == Op::kRmsNorm) return name_at(graph, input, 0);
  }
  return "sum";
}

std::string one_name(const Graph& graph, const Node& node) {
  switch (node.op) {
    case Op::kRmsNorm: return without_weight(graph.weight(node.weight()).parts[0].tensor);
    case Op::kRope: {
      const std::string turned = name_at(graph, node.inputs[0], 0);  // "...self_attn.q_proj"
      const std::string module = module_of(turned);
      return module + turned.substr(module.size(), 1) + "_rotary";
    }
    case Op::kAttention:
      return fmt::format("{}{}.self_attn.attention", kLayers, node.attention.layer);
    case Op::kSwiglu: return module_of(name_at(graph, node.inputs[0], 0)) + "swiglu";
    case Op::kAdd: return added(graph, node) + "+residual";
    case Op::kInput: return "input";
    case Op::kSelectOutputs: return name_at(graph, node.inputs[0], 0);
    default: return without_weight(graph.weight(node.weight()).parts[0].tensor);
  }
}

}  // namespace

std::vector<NamedColumns> value_names(const Graph& graph, int32_t value) {
  const Node& node = graph.node(value);
  const int64_t columns = node.shape.columns;
  // A tied model has one tensor for its embedding and its logits.
  if (value == graph.output(kLogitsOutput)) return {{"lm_head", 0, columns}};
  if (node.op != Op::kLinear) {
    return {{one_name(graph, node) + (node.has_residual() ? "+residual" : ""), 0, columns}};
  }
  const std::vector<NamedColumns> tensors = tensors_of(graph, node);
  if (node.activation == Activation::kSwiglu) {
    return {{module_of(tensors[0].name) + "swiglu", 0, columns}};
  }
  if (node.has_residual()) return {{tensors[0].name + "+residual", 0, columns}};
  return tensors;
}

std::string place_text(const Graph& graph, int32_t value, const std::string& name) {
  const Node& node = graph.node(value);
  std::string where;
  std::string what = name;
  if (name.starts_with(kLayers)) {
    const size_t end = name.find('.', kLayers.size());
    where = fmt::format("layer {}: ", name.substr(kLayers.size(), end - kLayers.size()));
    what = name.substr(end + 1);
  }
  const std::string op(op_name(node.op));
  return what.ends_with(op) ? where + op : fmt::format("{}{} {}", where, op, what);
}

}  // namespace autoglm
