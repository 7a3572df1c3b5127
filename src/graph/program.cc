// From a graph and its memory plan to the list of instructions.
#include "graph/program.h"

#include <utility>

#include "base/check.h"
#include "graph/rewrite.h"

namespace autoglm {

Program compile(Graph graph, const PlanOptions& options) {
  AGLM_CHECK(graph.logits() >= 0, "a graph of {} nodes without outputs", graph.nodes().size());
  Program program{.plan = plan_memory(graph, options),
                  .max_rows = options.max_rows,
                  .max_output_rows = options.max_output_rows};
  const auto operand = [&](int32_t value) {
    const Place& place = program.plan.places[static_cast<size_t>(value)];
    const Node& node = graph.node(value);
    return Operand{place.offset_bytes, place.stride, node.shape.columns, node.quantized};
  };
  const auto read_by = readers(graph);
  for (int32_t i = 0; i < static_cast<int32_t>(graph.nodes().size()); ++i) {
    const Node& node = graph.node(i);
    if (node.op == Op::kSlice) continue;
    Instruction instruction{.node = node, .result = operand(i)};
    instruction.makes_logits =
        i == graph.logits() && read_by[static_cast<size_t>(i)] == std::vector<int32_t>{-1};
    for (const int32_t input : node.inputs) instruction.inputs.push_back(operand(input));
    program.instructions.push_back(std::move(instruction));
  }
  program.logits = operand(graph.logits());
  program.hidden = operand(graph.hidden());
  program.graph = std::move(graph);
  return program;
}

}  // namespace autoglm
