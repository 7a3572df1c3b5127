#include "train/quantize/fold_places.h"

#include <algorithm>

#include "graph/rewrite.h"

namespace autoglm {
namespace {

int64_t uses_of(const Graph& graph, WeightId weight) {
  return std::ranges::count_if(graph.nodes(), [&](const Node& node) {
    return std::ranges::find(node.weights, weight) != node.weights.end();
  });
}

// The product that makes `index`, through slices; with the first of its columns.
std::optional<FoldPlace> rows_of_product(const Graph& graph, int32_t index) {
  int64_t first = 0;
  while (graph.node(index).op == Op::kSlice) {
    first += graph.node(index).first_column;
    index = graph.node(index).inputs[0];
  }
  const Node& product = graph.node(index);
  if (product.op != Op::kLinear) return std::nullopt;
  FoldPlace place;
  for (const WeightId weight : product.weights) {  // matrix and bias
    if (uses_of(graph, weight) != 1) return std::nullopt;
    place.parts.push_back({graph.weight(weight).parts[0].tensor, first});
  }
  return place;
}

}  // namespace

std::optional<FoldPlace> fold_place(const Graph& graph, const TargetGroup& group) {
  const auto read_by = readers(graph);
  const auto& by = read_by[static_cast<size_t>(group.input)];
  const bool only_products = std::ranges::all_of(by, [&](int32_t reader) {
    return std::ranges::find(group.nodes, reader) != group.nodes.end();
  });
  if (!only_products) return std::nullopt;
  // A matrix that two groups multiply cannot have its columns scaled for one of them.
  for (const int32_t node : group.nodes) {
    if (uses_of(graph, graph.node(node).weight()) != 1) return std::nullopt;
  }
  const Node& producer = graph.node(group.input);
  if (producer.op == Op::kRmsNorm && producer.group == producer.shape.columns) {
    if (uses_of(graph, producer.weight()) != 1) return std::nullopt;
    return FoldPlace{{{graph.weight(producer.weight()).parts[0].tensor, 0}}};
  }
  if (producer.op == Op::kSwiglu) {
    const int32_t up = producer.inputs[1];
    if (read_by[static_cast<size_t>(up)].size() != 1) return std::nullopt;
    return rows_of_product(graph, up);
  }
  return std::nullopt;
}

}  // namespace autoglm
