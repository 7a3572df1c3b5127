#include "graph/stages.h"

#include <fmt/format.h>

#include <algorithm>

#include "graph/op_table.h"
#include "graph/rewrite.h"

namespace autoglm {
namespace {

constexpr int32_t kNone = -1;

Error cannot_split(std::string what, std::string expected, int32_t layer) {
  return {ErrorCode::kInvalidArgument, std::move(what), "stages", std::move(expected),
          fmt::format("{}", layer)};
}

// The only value before node `end` that is read from there on; kNone: there are several.
int32_t only_value_across(const std::vector<std::vector<int32_t>>& read_by, int32_t end) {
  int32_t found = kNone;
  for (int32_t value = 0; value < end; ++value) {
    const std::vector<int32_t>& by = read_by[static_cast<size_t>(value)];
    const bool across = std::ranges::any_of(
        by, [&](int32_t reader) { return reader == kReadAsOutput || reader >= end; });
    if (!across) continue;
    if (found != kNone) return kNone;
    found = value;
  }
  return found;
}

struct Cut {
  int32_t node = 0;   // the first of the next stage
  int32_t value = 0;  // what it is handed
};

// The latest place before the attention of `layer`, and behind that of the layer before.
Result<Cut> find_cut(const Graph& graph, const std::vector<std::vector<int32_t>>& read_by,
                     int32_t layer) {
  if (layer <= 0 || layer >= graph.n_layers()) {
    return cannot_split("a stage cannot begin with that layer",
                        fmt::format("1 to {}", graph.n_layers() - 1), layer);
  }
  const auto attends = [&](int32_t wanted) {
    const auto found = std::ranges::find_if(graph.nodes(), [&](const Node& node) {
      return op_info(node.op).keeps_cache && node.attention.layer == wanted;
    });
    return static_cast<int32_t>(found - graph.nodes().begin());
  };
  const int32_t before = attends(layer - 1);
  for (int32_t node = attends(layer); node > before + 1; --node) {
    const int32_t value = only_value_across(read_by, node);
    if (value != kNone && graph.node(value).shape.rows == Rows::kTokens) {
      return Cut{node, value};
    }
  }
  return cannot_split("layers hand on more than one value", "one value between two layers", layer);
}

// Nodes [begin.node, end.node) as a graph of their own.
Graph stage(const Graph& graph, const Cut* begin, const Cut* end) {
  Rewrite out(graph, Rewrite::Outputs::kNone);
  const int32_t first = begin == nullptr ? 0 : begin->node;
  const int32_t last = end == nullptr ? static_cast<int32_t>(graph.nodes().size()) : end->node;
  if (begin != nullptr) {
    const Shape handed = graph.node(begin->value).shape;
    out.replace(begin->value, {.op = Op::kInput, .rows = handed.rows, .columns = handed.columns});
  }
  int32_t layer = 0;
  for (int32_t i = first; i < last; ++i) {
    Node node = out.translated(graph.node(i));
    if (op_info(node.op).keeps_cache) node.attention.layer = layer++;
    out.replace(i, std::move(node));
  }
  if (end != nullptr) out.add_output(kCutOutput, end->value);
  if (end == nullptr) {
    for (const Output& output : graph.outputs()) out.add_output(output.name, output.value);
  }
  return std::move(out).finish();
}

}  // namespace

Result<std::vector<Graph>> split_into_stages(const Graph& graph,
                                             std::span<const int32_t> first_layers) {
  const auto read_by = readers(graph);
  std::vector<Cut> cuts;
  int32_t layer_before = 0;
  for (const int32_t layer : first_layers) {
    if (layer <= layer_before) {
      return cannot_split("stages do not follow each other",
                          fmt::format("a layer behind {}", layer_before), layer);
    }
    layer_before = layer;
    cuts.push_back(AGLM_TRY(find_cut(graph, read_by, layer)));
  }
  std::vector<Graph> stages;
  for (size_t i = 0; i <= cuts.size(); ++i) {
    stages.push_back(
        stage(graph, i == 0 ? nullptr : &cuts[i - 1], i == cuts.size() ? nullptr : &cuts[i]));
  }
  return stages;
}

}  // namespace autoglm
