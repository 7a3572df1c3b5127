// Which of a model's matrices are quantized, which of them share their input, and to how many bits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "train/quantize/precision.h"

namespace autoglm {

struct Target {
  WeightId weight = WeightId::kNone;
  std::string tensor;
  int64_t rows = 0;
  int64_t columns = 0;
  Precision precision;
  // Matrices whose products read the same rows are packed as one, so they share it: -1 for
  // embedding and output, which stay at 8.
  int group = -1;

  int64_t elements() const { return rows * columns; }
  int64_t stored_bytes() const;
};

// Products of the same rows: q, k and v; gate and up, of experts those of all in a layer.
struct TargetGroup {
  int32_t input = -1;           // the node whose result they multiply
  std::vector<int32_t> nodes;   // the products
  std::vector<size_t> targets;  // of Targets::matrices
};

struct Targets {
  std::vector<Target> matrices;  // in the order in which the graph needs them
  std::vector<TargetGroup> groups;

  const Target* find(WeightId weight) const;  // the first, of several tensors
  int64_t elements() const;
  // Over all matrices, with everything that is stored for them.
  double bits_per_weight() const;
};

// All at 8 bits. `graph` as recorded: a weight is one tensor, or one for each part of each expert.
// Routers are no targets: they stay as they are.
Targets find_targets(const Graph& graph);

// For the matrices of a group; those with a number of columns that has no form in so few
// bits keep 8.
void set_precision(Targets& targets, size_t group, Precision precision);

}  // namespace autoglm
