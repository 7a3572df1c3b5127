// From a graph and its memory plan to the list of instructions.
#include "graph/program.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "graph/op_table.h"
#include "graph/rewrite.h"

namespace autoglm {

Program compile(Graph graph, const PlanOptions& options) {
  AGLM_CHECK(!graph.outputs().empty(), "a graph of {} nodes without outputs", graph.nodes().size());
  Program program{.plan = plan_memory(graph, options), .max_rows = options.max_rows};
  const auto operand = [&](int32_t value) {
    const Place& place = program.plan.places[static_cast<size_t>(value)];
    const Node& node = graph.node(value);
    return Operand{place.offset_bytes, place.stride, node.shape.columns, node.quantized};
  };
  const auto read_by = readers(graph);
  for (int32_t i = 0; i < static_cast<int32_t>(graph.nodes().size()); ++i) {
    const Node& node = graph.node(i);
    if (program.plan.places[static_cast<size_t>(i)].buffer < 0 ||
        op_info(node.op).place == ResultPlace::kView) {
      continue;
    }
    Instruction instruction{.value = i, .node = node, .result = operand(i)};
    if (read_by[static_cast<size_t>(i)] == std::vector<int32_t>{kReadAsOutput}) {
      const auto output = std::ranges::find(graph.outputs(), i, &Output::value);
      instruction.only_output = static_cast<int32_t>(output - graph.outputs().begin());
    }
    for (const int32_t input : node.inputs) instruction.inputs.push_back(operand(input));
    program.instructions.push_back(std::move(instruction));
  }
  for (const Output& output : graph.outputs()) {
    program.outputs.push_back({output.name, operand(output.value)});
  }
  program.graph = std::move(graph);
  return program;
}

const Operand* Program::output(std::string_view name) const {
  const auto found = std::ranges::find(outputs, name, &ProgramOutput::name);
  return found == outputs.end() ? nullptr : &found->operand;
}

}  // namespace autoglm
