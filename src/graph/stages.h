// A model in parts that run one after the other, each on a device or a machine of its own: a stage
// is a graph like any other, which begins with rows handed to it (Op::kInput) and ends with rows to
// hand on (kCutOutput). Together they compute what the whole does, with the same operations.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "autoglm/result.h"
#include "graph/graph.h"

namespace autoglm {

// `graph` as a model recorded it. `first_layers`: the layer each stage after the first begins with,
// ascending; a stage's layers are counted from 0 in its own graph. Errors: layers that there are
// not, or a place where more than one value would have to be handed on.
Result<std::vector<Graph>> split_into_stages(const Graph& graph,
                                             std::span<const int32_t> first_layers);

}  // namespace autoglm
