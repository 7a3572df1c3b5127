// q, k and v read the same rows; as one product the rows are read (and quantized) once, and there
// are fewer barriers. Rows of a matrix never influence each other, so the bits stay.
#include <vector>

#include "graph/fuse.h"
#include "graph/rewrite.h"

namespace autoglm {
namespace {

bool mergeable(const Graph& graph, int32_t index) {
  const Node& node = graph.node(index);
  return node.op == Op::kLinear && node.inputs.size() == 1 &&
         node.activation == Activation::kNone &&
         graph.weight(node.weight()).role == WeightRole::kMatrix;
}

// Weight `which` of each of `nodes`, one below the other.
Weight stacked(const Graph& graph, const std::vector<int32_t>& nodes, size_t which) {
  Weight result = graph.weight(graph.node(nodes[0]).weight(which));
  for (size_t i = 1; i < nodes.size(); ++i) {
    const Weight& next = graph.weight(graph.node(nodes[i]).weight(which));
    result.rows += next.rows;
    result.parts.insert(result.parts.end(), next.parts.begin(), next.parts.end());
  }
  return result;
}

// Products of the same input that agree on having a bias, `first` being the earliest of them.
std::vector<int32_t> siblings(const Graph& graph, const std::vector<int32_t>& same_input,
                              int32_t first) {
  std::vector<int32_t> result;
  const bool biased = graph.node(first).has_bias();
  for (const int32_t reader : same_input) {
    if (reader != kReadAsOutput && reader >= first && mergeable(graph, reader) &&
        graph.node(reader).has_bias() == biased) {
      result.push_back(reader);
    }
  }
  return result;
}

}  // namespace

Graph merge_projections(const Graph& graph) {
  const auto read_by = readers(graph);
  Rewrite rewrite(graph);
  std::vector<bool> done(graph.nodes().size());
  for (int32_t i = 0; i < static_cast<int32_t>(done.size()); ++i) {
    if (done[static_cast<size_t>(i)]) continue;
    const Node& node = graph.node(i);
    std::vector<int32_t> group;
    if (mergeable(graph, i)) {
      group = siblings(graph, read_by[static_cast<size_t>(node.inputs[0])], i);
    }
    if (group.size() < 2) {
      rewrite.keep(i);
      continue;
    }
    Node merged = node;
    merged.inputs = {rewrite.value(node.inputs[0])};
    for (size_t w = 0; w < node.weights.size(); ++w) {
      merged.weights[w] = rewrite.add_weight(stacked(graph, group, w));
    }
    const int32_t product = rewrite.append(std::move(merged));
    int64_t column = 0;
    for (const int32_t member : group) {
      const int64_t columns = graph.node(member).shape.columns;
      rewrite.replace(
          member,
          {.op = Op::kSlice, .inputs = {product}, .first_column = column, .columns = columns});
      column += columns;
      done[static_cast<size_t>(member)] = true;
    }
  }
  return std::move(rewrite).finish();
}

}  // namespace autoglm
