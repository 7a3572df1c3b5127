// product -> two slices -> swiglu becomes one product with an activation: the gate and up columns
// never reach memory.
#include <vector>

#include "graph/fuse.h"
#include "graph/rewrite.h"

namespace autoglm {
namespace {

// The product whose halves `node` multiplies, when nothing else reads it; else -1.
int32_t halved_product(const Graph& graph, const std::vector<std::vector<int32_t>>& read_by,
                       const Node& node) {
  if (node.op != Op::kSwiglu) return -1;
  const Node& gate = graph.node(node.inputs[0]);
  const Node& up = graph.node(node.inputs[1]);
  if (gate.op != Op::kSlice || up.op != Op::kSlice || gate.inputs[0] != up.inputs[0]) return -1;
  const int32_t product = gate.inputs[0];
  const Node& linear = graph.node(product);
  const int64_t half = node.shape.columns;
  const auto count = [&](int32_t value) { return read_by[static_cast<size_t>(value)].size(); };
  const bool fits = linear.op == Op::kLinear && linear.inputs.size() == 1 &&
                    linear.activation == Activation::kNone && linear.shape.columns == 2 * half &&
                    gate.first_column == 0 && up.first_column == half && count(product) == 2 &&
                    count(node.inputs[0]) == 1 && count(node.inputs[1]) == 1;
  return fits ? product : -1;
}

}  // namespace

Graph fuse_swiglu(const Graph& graph) {
  const auto read_by = readers(graph);
  const auto n = static_cast<int32_t>(graph.nodes().size());
  std::vector<int32_t> product_of(static_cast<size_t>(n), -1);
  std::vector<bool> dropped(static_cast<size_t>(n));
  for (int32_t i = 0; i < n; ++i) {
    const int32_t product = halved_product(graph, read_by, graph.node(i));
    product_of[static_cast<size_t>(i)] = product;
    if (product < 0) continue;
    for (const int32_t gone : {product, graph.node(i).inputs[0], graph.node(i).inputs[1]}) {
      dropped[static_cast<size_t>(gone)] = true;
    }
  }
  Rewrite rewrite(graph);
  for (int32_t i = 0; i < n; ++i) {
    if (dropped[static_cast<size_t>(i)]) continue;
    const int32_t product = product_of[static_cast<size_t>(i)];
    if (product < 0) {
      rewrite.keep(i);
      continue;
    }
    Node fused = rewrite.translated(graph.node(product));
    fused.activation = Activation::kSwiglu;
    rewrite.replace(i, std::move(fused));
  }
  return std::move(rewrite).finish();
}

}  // namespace autoglm
