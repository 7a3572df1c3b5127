// What every pass over a graph needs: who reads a value, and a new graph that grows while the old
// one is walked. Nodes and weights that nothing in the new graph refers to are left behind.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "graph/graph.h"

namespace autoglm {

// In a value's list of readers: an output of the graph, which is no node and wants all rows.
inline constexpr int32_t kReadAsOutput = -1;

// For each value, the nodes that read it, in order, then kReadAsOutput once for each output it is.
inline std::vector<std::vector<int32_t>> readers(const Graph& graph) {
  const std::span<const Node> nodes = graph.nodes();
  std::vector<std::vector<int32_t>> result(nodes.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const int32_t input : nodes[i].inputs) {
      result[static_cast<size_t>(input)].push_back(static_cast<int32_t>(i));
    }
  }
  for (const Output& output : graph.outputs()) {
    result[static_cast<size_t>(output.value)].push_back(kReadAsOutput);
  }
  return result;
}

// For each value, whether an output needs it.
inline std::vector<bool> needed_values(const Graph& graph) {
  std::vector<bool> needed(graph.nodes().size());
  for (const Output& output : graph.outputs()) needed[static_cast<size_t>(output.value)] = true;
  for (size_t i = needed.size(); i-- > 0;) {
    if (!needed[i]) continue;
    for (const int32_t input : graph.nodes()[i].inputs) needed[static_cast<size_t>(input)] = true;
  }
  return needed;
}

class Rewrite {
 public:
  enum class Outputs { kAll, kNone };  // that the new graph has from the old one
  explicit Rewrite(const Graph& from, Outputs outputs = Outputs::kAll)
      : from_(&from),
        keeps_outputs_(outputs == Outputs::kAll),
        values_(from.nodes().size(), -1),
        weights_(from.weights().size(), WeightId::kNone) {
    for (const Rope& rope : from.ropes()) to_.add_rope(rope);
    for (const RowsInfo& rows : from.rows().subspan(to_.rows().size())) to_.add_rows(rows);
  }

  // The new weight for an old one.
  WeightId weight(WeightId old) {
    WeightId& id = weights_[static_cast<size_t>(old)];
    if (id == WeightId::kNone) id = to_.add_weight(from_->weight(old));
    return id;
  }
  WeightId add_weight(Weight weight) { return to_.add_weight(std::move(weight)); }

  // The new value that stands for old value `old`.
  int32_t value(int32_t old) const {
    const int32_t index = values_[static_cast<size_t>(old)];
    AGLM_CHECK(index >= 0, "value {} is read before it is rewritten", old);
    return index;
  }

  // Appends `node`, whose inputs are new values and whose weights are new weights, in place of
  // `old`.
  void replace(int32_t old, Node node) {
    values_[static_cast<size_t>(old)] = to_.append(std::move(node)).index;
  }
  // New value `index` stands for old value `old`.
  void stand_for(int32_t old, int32_t index) { values_[static_cast<size_t>(old)] = index; }
  // Appends without standing for anything.
  int32_t append(Node node) { return to_.append(std::move(node)).index; }

  // `node`, an old node, with inputs and weights of the new graph.
  Node translated(Node node) {
    for (int32_t& input : node.inputs) input = value(input);
    for (WeightId& id : node.weights) id = weight(id);
    return node;
  }
  void keep(int32_t old) { replace(old, translated(from_->node(old))); }

  // What stands for old value `old` is handed out as `name`.
  void add_output(std::string_view name, int32_t old) { to_.add_output(name, {&to_, value(old)}); }

  Graph finish() && {
    if (keeps_outputs_) {
      for (const Output& output : from_->outputs()) add_output(output.name, output.value);
    }
    return std::move(to_);
  }

 private:
  const Graph* from_;
  const bool keeps_outputs_;
  Graph to_;
  std::vector<int32_t> values_;
  std::vector<WeightId> weights_;
};

}  // namespace autoglm
