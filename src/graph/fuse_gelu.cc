// product -> gelu becomes one product with an activation: its columns reach memory once.
#include <vector>

#include "graph/fuse.h"
#include "graph/rewrite.h"

namespace autoglm {

Graph fuse_gelu(const Graph& graph) {
  const auto read_by = readers(graph);
  const auto n = static_cast<int32_t>(graph.nodes().size());
  std::vector<bool> dropped(static_cast<size_t>(n));
  for (const Node& node : graph.nodes()) {
    if (node.op != Op::kActivate || node.activation != Activation::kGelu) continue;
    const int32_t input = node.inputs[0];
    const Node& product = graph.node(input);
    dropped[static_cast<size_t>(input)] = product.op == Op::kLinear && !product.has_residual() &&
                                          product.activation == Activation::kNone &&
                                          read_by[static_cast<size_t>(input)].size() == 1;
  }
  Rewrite rewrite(graph);
  for (int32_t i = 0; i < n; ++i) {
    if (dropped[static_cast<size_t>(i)]) continue;
    const Node& node = graph.node(i);
    const bool fuses = node.op == Op::kActivate && dropped[static_cast<size_t>(node.inputs[0])];
    if (!fuses) {
      rewrite.keep(i);
      continue;
    }
    Node fused = rewrite.translated(graph.node(node.inputs[0]));
    fused.activation = Activation::kGelu;
    rewrite.replace(i, std::move(fused));
  }
  return std::move(rewrite).finish();
}

}  // namespace autoglm
