#include "train/quantize/targets.h"

#include <algorithm>
#include <map>

#include "base/check.h"
#include "graph/op_table.h"
#include "train/quantize/matrix_codes.h"

namespace autoglm {

int64_t Target::stored_bytes() const { return MatrixCodes::stored_bytes(precision, rows, columns); }

const Target* Targets::find(WeightId weight) const {
  const auto found = std::ranges::find(matrices, weight, &Target::weight);
  return found == matrices.end() ? nullptr : &*found;
}

int64_t Targets::elements() const {
  int64_t sum = 0;
  for (const Target& target : matrices) sum += target.elements();
  return sum;
}

double Targets::bits_per_weight() const {
  int64_t bytes = 0;
  for (const Target& target : matrices) bytes += target.stored_bytes();
  return 8.0 * static_cast<double>(bytes) / static_cast<double>(std::max<int64_t>(1, elements()));
}

namespace {

// Each of the node's weights is packed as one, so its tensors are a group.
void add_experts(const Graph& graph, int32_t index, Targets& targets) {
  const Node& node = graph.node(index);
  for (const WeightId id : node.weights) {
    const auto group = static_cast<int>(targets.groups.size());
    targets.groups.push_back({.input = node.inputs[0], .nodes = {index}});
    for (const WeightPart& part : graph.weight(id).parts) {
      targets.groups.back().targets.push_back(targets.matrices.size());
      targets.matrices.push_back({.weight = id,
                                  .tensor = part.tensor,
                                  .rows = part.rows,
                                  .columns = graph.weight(id).columns,
                                  .group = group});
    }
  }
}

}  // namespace

Targets find_targets(const Graph& graph) {
  Targets targets;
  std::map<int32_t, int> group_of_input;
  for (int32_t i = 0; i < static_cast<int32_t>(graph.nodes().size()); ++i) {
    const Node& node = graph.node(i);
    if (node.weights.empty() || op_info(node.op).weight_use(0) == WeightUse::kVector) continue;
    if (node.op == Op::kExpertMlp) {
      add_experts(graph, i, targets);
      continue;
    }
    const Weight& weight = graph.weight(node.weight());
    if (weight.role == WeightRole::kRouter) continue;
    int group = -1;
    if (weight.role == WeightRole::kMatrix) {
      const auto [place, fresh] =
          group_of_input.try_emplace(node.inputs[0], static_cast<int>(targets.groups.size()));
      if (fresh) targets.groups.push_back({.input = node.inputs[0]});
      group = place->second;
      targets.groups[static_cast<size_t>(group)].nodes.push_back(i);
    }
    if (targets.find(node.weight()) != nullptr) continue;  // tied
    AGLM_CHECK(weight.parts.size() == 1, "{} has {} parts", weight.name(), weight.parts.size());
    if (group >= 0) {
      targets.groups[static_cast<size_t>(group)].targets.push_back(targets.matrices.size());
    }
    targets.matrices.push_back({.weight = node.weight(),
                                .tensor = weight.parts[0].tensor,
                                .rows = weight.rows,
                                .columns = weight.columns,
                                .group = group});
  }
  return targets;
}

void set_precision(Targets& targets, size_t group, Precision precision) {
  for (const size_t i : targets.groups[group].targets) {
    Target& target = targets.matrices[i];
    target.precision = CodedMatrix::fits(precision.bits, target.columns) ? precision : Precision{};
  }
}

}  // namespace autoglm
