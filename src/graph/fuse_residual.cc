// x + product(...) and x + norm(...) become a product and a norm that add x as they store.
#include <vector>

#include "graph/fuse.h"
#include "graph/op_table.h"
#include "graph/rewrite.h"

namespace autoglm {

Graph fuse_residual(const Graph& graph) {
  const auto read_by = readers(graph);
  const auto n = static_cast<int32_t>(graph.nodes().size());
  const auto takes_residual = [&](int32_t i) {
    const Node& node = graph.node(i);
    return op_info(node.op).adds_residual && !node.has_residual() &&
           read_by[static_cast<size_t>(i)].size() == 1;
  };
  // For each sum, which of its inputs (0 or 1) is fused into it; the later one if both could be.
  std::vector<int> fused_input(static_cast<size_t>(n), -1);
  std::vector<bool> dropped(static_cast<size_t>(n));
  for (int32_t i = 0; i < n; ++i) {
    const Node& node = graph.node(i);
    if (node.op != Op::kAdd || node.inputs[0] == node.inputs[1]) continue;
    const int later = node.inputs[1] > node.inputs[0] ? 1 : 0;
    for (const int side : {later, 1 - later}) {
      const int32_t input = node.inputs[static_cast<size_t>(side)];
      if (!takes_residual(input)) continue;
      fused_input[static_cast<size_t>(i)] = side;
      dropped[static_cast<size_t>(input)] = true;
      break;
    }
  }
  Rewrite rewrite(graph);
  for (int32_t i = 0; i < n; ++i) {
    if (dropped[static_cast<size_t>(i)]) continue;
    const int side = fused_input[static_cast<size_t>(i)];
    if (side < 0) {
      rewrite.keep(i);
      continue;
    }
    const Node& sum = graph.node(i);
    Node fused = rewrite.translated(graph.node(sum.inputs[static_cast<size_t>(side)]));
    fused.inputs.push_back(rewrite.value(sum.inputs[static_cast<size_t>(1 - side)]));
    rewrite.replace(i, std::move(fused));
  }
  return std::move(rewrite).finish();
}

}  // namespace autoglm
