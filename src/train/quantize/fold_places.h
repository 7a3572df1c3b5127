// Where the scales of a group's input columns can go: read off the graph, so that it holds for
// every architecture. A norm's weight takes them, or the rows of the matrix that makes the linear
// half of a SwiGLU; GLM-4-0414's norms after a sub-layer take none, because no product reads them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "train/quantize/targets.h"

namespace autoglm {

// Rows [first, first + n) of these tensors are divided by the scales.
struct FoldPlace {
  struct Rows {
    std::string tensor;
    int64_t first = 0;
  };
  std::vector<Rows> parts;
};

// None: something else reads the same rows, or no weight is linear in them.
std::optional<FoldPlace> fold_place(const Graph& graph, const TargetGroup& group);

}  // namespace autoglm
