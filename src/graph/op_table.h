// What every op is, one entry each: its name, what it reads, the shape of what it makes, its
// attributes in words, and what passes and the memory plan may do with it. A new op is a name in
// graph.h, an entry here and a binding for each device (devices/cpu/op_kernels.cc). Patterns of
// several ops are no knowledge of one: they stand in the passes (fuse.h).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "graph/graph.h"

namespace autoglm {

// How an op reads a weight: decides how a device holds it.
enum class WeightUse : uint8_t {
  kVector,
  kMultiplied,  // a matrix: from end to end, by every product of the op's first input
  kGateUp,      // the same with rows gate | up, and SwiGLU of the two products
  kInner,       // a matrix, for products of what the op computes itself
  kLookedUp,    // a table: some rows
};

constexpr bool is_multiplied(WeightUse use) {
  return use != WeightUse::kVector && use != WeightUse::kLookedUp;
}

enum class ResultPlace : uint8_t {
  kOwn,      // bytes of its own, unless it overwrites an input
  kView,     // columns of its first input: nothing is computed
  kInPlace,  // its first input's, which nobody else reads
};

// A node as a shape rule sees it: inputs and weights are there, as many as the op takes.
struct NodeToShape {
  const Graph& graph;
  const Node& node;

  const Shape& input(size_t i) const { return graph.node(node.inputs[i]).shape; }
  const Weight& weight(size_t i) const { return graph.weight(node.weight(i)); }
  // Aborts and prints both unless `fits`.
  void require(bool fits, const Shape& found, std::string_view wanted) const;
};

struct OpInfo {
  Op op = Op::kCount;
  std::string_view name;
  size_t inputs_min = 0;
  size_t inputs_max = 0;
  // The last of inputs_max may be left out; where it is there, it is added to the result.
  bool adds_residual = false;
  size_t weights_min = 0;
  size_t weights_max = 0;
  // Of the first weights; those after them are used as the last.
  std::array<WeightUse, 4> weight_uses{};
  // The result's shape; aborts where inputs, weights and attributes do not fit each other.
  Shape (*shape)(const NodeToShape& n) = nullptr;
  std::string (*attributes)(const Graph& graph, const Node& node) = nullptr;  // null: has none
  ResultPlace place = ResultPlace::kOwn;
  // Bit i: input i is read element for element as the result is stored, which may overwrite it.
  uint32_t overwrites = 0;
  bool row_by_row = false;   // a row of the result depends on that row of the inputs alone
  bool keeps_cache = false;  // of a layer's keys and values, as Node::attention says

  WeightUse weight_use(size_t i) const {
    return weight_uses[std::min<size_t>(i, weight_uses.size() - 1)];
  }
};

const OpInfo& op_info(Op op);

}  // namespace autoglm
