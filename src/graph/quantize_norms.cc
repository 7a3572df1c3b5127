// Where one integer product alone reads a norm's result, the norm stores it as int8 rows: what the
// product would have made of it first. How rows are rounded depends on the weight that they meet,
// so they serve one product.
#include <algorithm>
#include <vector>

#include "graph/fuse.h"
#include "graph/rewrite.h"

namespace autoglm {

Graph quantize_norms(const Graph& graph) {
  const auto read_by = readers(graph);
  Rewrite rewrite(graph);
  for (int32_t i = 0; i < static_cast<int32_t>(graph.nodes().size()); ++i) {
    Node node = rewrite.translated(graph.node(i));
    const std::vector<int32_t>& by = read_by[static_cast<size_t>(i)];
    node.quantized = node.op == Op::kRmsNorm && node.group == node.shape.columns &&
                     by.size() == 1 && std::ranges::all_of(by, [&](int32_t reader) {
                       if (reader == kReadAsOutput) return false;
                       const Node& product = graph.node(reader);
                       return product.op == Op::kLinear && product.inputs[0] == i &&
                              graph.weight(product.weight()).role != WeightRole::kRouter &&
                              (!product.has_residual() || product.inputs[1] != i);
                     });
    rewrite.replace(i, std::move(node));
  }
  return std::move(rewrite).finish();
}

}  // namespace autoglm
