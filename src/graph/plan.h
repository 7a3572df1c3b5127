// The memory plan: where each value of a graph lives in one arena, so that values which are never
// alive together share bytes. Views have none of their own; what works in place takes its
// input's; a sum takes the place of an operand that nothing reads later (op_table.h).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "graph/graph.h"

namespace autoglm {

// The most of each of the graph's rows that a step brings: T, R, then those that the model added.
struct MaxRows {
  std::vector<int64_t> most;
  int64_t operator[](Rows rows) const { return most[static_cast<size_t>(rows)]; }
};

struct PlanOptions {
  MaxRows max_rows;
  // Bytes of int8 rows with their scales; asked only when the graph has quantized values.
  std::function<int64_t(int64_t rows, int64_t columns)> quantized_bytes;
};

// A value's place. Row r, column c is at offset_bytes + 4 * (r * stride + c), except for quantized
// values, whose inner layout is the device's.
struct Place {
  int64_t offset_bytes = 0;
  int64_t stride = 0;
  int32_t buffer = -1;  // values of one buffer share bytes; -1: no output needs the value
};

struct MemoryPlan {
  static constexpr int64_t kAlignment = 64;  // a cache line
  std::vector<Place> places;                 // one for each node
  int64_t arena_bytes = 0;
  int64_t arena_bytes_without_reuse = 0;  // if every result but views had bytes of its own
};

MemoryPlan plan_memory(const Graph& graph, const PlanOptions& options);

}  // namespace autoglm
