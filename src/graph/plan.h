// The memory plan: where each value of a graph lives in one arena, so that values which are never
// alive together share bytes. Slices are views; a rope works in place; a sum takes the place of an
// operand that nothing reads later.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "graph/graph.h"

namespace autoglm {

struct PlanOptions {
  int64_t max_rows = 0;         // T at most
  int64_t max_output_rows = 0;  // R at most
  // Bytes of int8 rows with their scales; asked only when the graph has quantized values.
  std::function<int64_t(int64_t rows, int64_t columns)> quantized_bytes;
};

// A value's place. Row r, column c is at offset_bytes + 4 * (r * stride + c), except for quantized
// values, whose inner layout is the device's.
struct Place {
  int64_t offset_bytes = 0;
  int64_t stride = 0;
  int32_t buffer = -1;  // values of one buffer share bytes
};

struct MemoryPlan {
  static constexpr int64_t kAlignment = 64;  // a cache line
  std::vector<Place> places;                 // one for each node
  int64_t arena_bytes = 0;
  int64_t arena_bytes_without_reuse = 0;  // if every result but views had bytes of its own
};

MemoryPlan plan_memory(const Graph& graph, const PlanOptions& options);

}  // namespace autoglm
