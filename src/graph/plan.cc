// Live ranges and offsets: greedy by size, as in "Efficient Memory Management for Deep Neural Net
// Inference" (arXiv 2001.03288).
#include "graph/plan.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "graph/op_table.h"
#include "graph/rewrite.h"

namespace autoglm {
namespace {

struct Buffer {
  int64_t bytes = 0;
  int32_t first = 0;  // nodes that write it first and read it last
  int32_t last = 0;
  int64_t offset = 0;
};

class Planner {
 public:
  Planner(const Graph& graph, const PlanOptions& options)
      : graph_(graph), options_(options), read_by_(readers(graph)) {}

  MemoryPlan plan() {
    MemoryPlan result;
    result.places.resize(graph_.nodes().size());
    places_ = result.places;
    const std::vector<bool> needed = needed_values(graph_);
    for (int32_t i = 0; i < static_cast<int32_t>(places_.size()); ++i) {
      if (!needed[static_cast<size_t>(i)]) continue;
      const Node& node = graph_.node(i);
      places_[static_cast<size_t>(i)] = place(i);
      if (op_info(node.op).place == ResultPlace::kOwn) {
        result.arena_bytes_without_reuse += bytes(node);
      }
    }
    result.arena_bytes = assign_offsets();
    for (Place& p : places_) {
      if (p.buffer < 0) continue;
      p.offset_bytes += buffers_[static_cast<size_t>(p.buffer)].offset;
    }
    result.places = std::move(places_);
    return result;
  }

 private:
  int64_t bytes(const Node& node) const {
    const int64_t rows = options_.max_rows[node.shape.rows];
    const int64_t plain = node.quantized ? options_.quantized_bytes(rows, node.shape.columns)
                                         : rows * node.shape.columns * int64_t{sizeof(float)};
    return (plain + MemoryPlan::kAlignment - 1) / MemoryPlan::kAlignment * MemoryPlan::kAlignment;
  }

  // The last node that reads value `i`; one past the end for an output of the graph.
  int32_t last_reader(int32_t i) const {
    int32_t last = i;
    for (const int32_t reader : read_by_[static_cast<size_t>(i)]) {
      last = std::max(
          last, reader == kReadAsOutput ? static_cast<int32_t>(graph_.nodes().size()) : reader);
    }
    return last;
  }

  Place view(int32_t i, const Place& of, int64_t first_column) {
    Buffer& buffer = buffers_[static_cast<size_t>(of.buffer)];
    buffer.last = std::max(buffer.last, last_reader(i));
    return {of.offset_bytes + first_column * int64_t{sizeof(float)}, of.stride, of.buffer};
  }

  // An operand that node `i` may overwrite with its result: whole, and read by nobody later.
  const Place* dying_operand(int32_t i) const {
    const Node& node = graph_.node(i);
    const auto dies = [&](int32_t value) {
      const Place& p = places_[static_cast<size_t>(value)];
      return !graph_.node(value).quantized && p.stride == node.shape.columns &&
             buffers_[static_cast<size_t>(p.buffer)].last == i;
    };
    const auto at = [&](size_t k) { return &places_[static_cast<size_t>(node.inputs[k])]; };
    const uint32_t overwrites = node.quantized ? 0 : op_info(node.op).overwrites;
    for (size_t k = 0; k < node.inputs.size(); ++k) {
      // What is read in another order must not lie there too.
      bool read_otherwise = false;
      for (size_t j = 0; j < node.inputs.size(); ++j) {
        read_otherwise |= (overwrites >> j & 1) == 0 && at(j)->buffer == at(k)->buffer;
      }
      if ((overwrites >> k & 1) != 0 && !read_otherwise && dies(node.inputs[k])) return at(k);
    }
    return nullptr;
  }

  Place place(int32_t i) {
    const Node& node = graph_.node(i);
    const ResultPlace place = op_info(node.op).place;
    if (place != ResultPlace::kOwn) {
      const int32_t input = node.inputs[0];
      AGLM_CHECK(place == ResultPlace::kView || read_by_[static_cast<size_t>(input)].size() == 1,
                 "value {} is overwritten by {} and read by others", input, op_name(node.op));
      AGLM_CHECK(!graph_.node(input).quantized, "a view of quantized value {}", input);
      return view(i, places_[static_cast<size_t>(input)], node.first_column);
    }
    if (const Place* operand = dying_operand(i)) return view(i, *operand, 0);
    buffers_.push_back({.bytes = bytes(node), .first = i, .last = last_reader(i)});
    return {0, node.shape.columns, static_cast<int32_t>(buffers_.size()) - 1};
  }

  // Largest first, each at the lowest offset that is free during its whole life. Returns the
  // arena's size.
  int64_t assign_offsets() {
    std::vector<size_t> order(buffers_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::stable_sort(
        order, [&](size_t a, size_t b) { return buffers_[a].bytes > buffers_[b].bytes; });
    std::vector<size_t> placed;  // by offset
    int64_t arena = 0;
    for (const size_t index : order) {
      Buffer& buffer = buffers_[index];
      int64_t offset = 0;
      for (const size_t other : placed) {
        const Buffer& b = buffers_[other];
        if (b.first > buffer.last || b.last < buffer.first) continue;
        if (offset + buffer.bytes <= b.offset) break;
        offset = std::max(offset, b.offset + b.bytes);
      }
      buffer.offset = offset;
      arena = std::max(arena, offset + buffer.bytes);
      const auto at = std::ranges::upper_bound(placed, offset, {},
                                               [&](size_t p) { return buffers_[p].offset; });
      placed.insert(at, index);
    }
    return arena;
  }

  const Graph& graph_;
  const PlanOptions& options_;
  std::vector<std::vector<int32_t>> read_by_;
  std::vector<Place> places_;
  std::vector<Buffer> buffers_;
};

}  // namespace

MemoryPlan plan_memory(const Graph& graph, const PlanOptions& options) {
  const std::vector<int64_t>& most = options.max_rows.most;
  AGLM_CHECK(most.size() == graph.rows().size(), "{} bounds of rows for a graph with {} of them",
             most.size(), graph.rows().size());
  for (size_t i = 0; i < most.size(); ++i) {
    AGLM_CHECK(most[i] > 0, "a plan for {} {}", most[i], graph.rows()[i].meaning);
  }
  return Planner(graph, options).plan();
}

}  // namespace autoglm
