// After the last attention a row influences no other row: sums, norms and products of rows that
// nobody asked for are work for nothing. The selection of the rows that are wanted moves up, before
// all that computes row by row: in a prompt's prefill the last layer's MLP sees one row, not all.
#include <algorithm>
#include <vector>

#include "graph/fuse.h"
#include "graph/op_table.h"
#include "graph/rewrite.h"

namespace autoglm {
namespace {

// Of which values only the wanted rows are ever read. What is handed out as it is, is read whole.
std::vector<bool> selected_values(const Graph& graph) {
  const auto read_by = readers(graph);
  std::vector<bool> selected(graph.nodes().size());
  for (auto i = static_cast<int32_t>(selected.size()) - 1; i >= 0; --i) {
    const Node& node = graph.node(i);
    if (node.shape.rows != Rows::kTokens || !op_info(node.op).row_by_row) continue;
    const std::vector<int32_t>& by = read_by[static_cast<size_t>(i)];
    selected[static_cast<size_t>(i)] = !by.empty() && std::ranges::all_of(by, [&](int32_t reader) {
      return reader != kReadAsOutput &&
             (graph.node(reader).op == Op::kSelectOutputs || selected[static_cast<size_t>(reader)]);
    });
  }
  return selected;
}

}  // namespace

Graph select_early(const Graph& graph) {
  const std::vector<bool> selected = selected_values(graph);
  Rewrite rewrite(graph);
  std::vector<int32_t> wanted_rows(selected.size(), -1);  // of values that others read whole
  const auto wanted_rows_of = [&](int32_t old) {
    if (selected[static_cast<size_t>(old)]) return rewrite.value(old);
    int32_t& rows = wanted_rows[static_cast<size_t>(old)];
    if (rows < 0) {
      rows = rewrite.append({.op = Op::kSelectOutputs, .inputs = {rewrite.value(old)}});
    }
    return rows;
  };
  for (int32_t i = 0; i < static_cast<int32_t>(selected.size()); ++i) {
    const Node& node = graph.node(i);
    if (node.op == Op::kSelectOutputs) {
      rewrite.stand_for(i, wanted_rows_of(node.inputs[0]));
    } else if (selected[static_cast<size_t>(i)]) {
      Node moved = node;
      for (WeightId& id : moved.weights) id = rewrite.weight(id);
      for (int32_t& input : moved.inputs) input = wanted_rows_of(input);
      rewrite.replace(i, std::move(moved));
    } else {
      rewrite.keep(i);
    }
  }
  return std::move(rewrite).finish();
}

}  // namespace autoglm
