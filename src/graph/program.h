// A Program: a graph, fused and with every value at a fixed place in one arena, as an immutable
// list of instructions in the order they run. Views need no instruction. A device turns each
// instruction into a kernel call once, at load; a step then runs the list, allocates nothing and
// looks nothing up by name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"
#include "graph/plan.h"

namespace autoglm {

struct Operand {
  int64_t offset_bytes = 0;  // into the arena
  int64_t stride = 0;        // elements from one row to the next
  int64_t columns = 0;
  bool quantized = false;
};

struct Instruction {
  int32_t value = -1;  // of the graph, which it computes
  Node node;           // op, weights and attributes; its inputs are values of the graph
  Operand result;
  std::vector<Operand> inputs;
  // Of Program::outputs, when the result is that output and nobody reads it: left out of a step
  // that does not want it. -1: every step needs it.
  int32_t only_output = -1;
};

struct ProgramOutput {
  std::string name;
  Operand operand;
};

struct Program {
  Graph graph;
  MemoryPlan plan;
  MaxRows max_rows;
  std::vector<Instruction> instructions;
  std::vector<ProgramOutput> outputs;

  // nullptr: there is no output of that name.
  const Operand* output(std::string_view name) const;
};

Program compile(Graph graph, const PlanOptions& options);

// For people: one line an instruction with shapes, weights, what was fused into it, and its place;
// then the arena with and without reuse.
std::string program_text(const Program& program);
// The same as one JSON object and a line end (docs/formats/program.md).
std::string program_json(const Program& program);
// The same as a Graphviz document.
std::string program_graphviz(const Program& program);

}  // namespace autoglm
