// A model run over whole texts instead of step by step over a batch: each instruction of its
// program takes all tokens before the next one starts, so a weight is needed once, comes when it
// is, and a model larger than memory can be run. Whoever asks sees the rows that enter every
// product, and decides with what weights the run goes on. Program and kernel calls are those that
// serve requests (op_kernels.h), bound anew for each instruction.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "autoglm/generation.h"
#include "autoglm/result.h"
#include "base/aligned_buffer.h"
#include "graph/graph.h"
#include "kernels/isa.h"
#include "kernels/linear/packed_weight.h"

namespace autoglm {

// Rows of activations, `stride` elements apart.
struct RowsView {
  const float* data = nullptr;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t stride = 0;
  const float* row(int64_t i) const { return data + i * stride; }
};

class RunVisitor {
 public:
  virtual ~RunVisitor() = default;
  // Before the first of the products that read the same rows. `nodes`: all of them.
  virtual Result<void> on_products(std::span<const int32_t> nodes, const RowsView& x) = 0;
  // After one of them. Between on_products() and the last of them no other group begins.
  virtual void on_result(int32_t /*node*/, const RowsView& /*y*/) {}
  // Rows [begin, end) of a matrix.
  virtual Result<PackedWeight> matrix(const Weight& weight, int64_t begin, int64_t end) = 0;
  virtual Result<void> embedding_row(const Weight& weight, int64_t row, std::span<float> out) = 0;
  virtual Result<std::vector<float>> vector(const Weight& weight) = 0;
};

struct RunInput {
  std::vector<std::vector<TokenId>> sequences;  // each from position 0, not empty
  size_t first_output = 0;                      // sequences from this one on give hidden states
};

// The last hidden states, [rows, hidden].
struct HiddenRows {
  AlignedBuffer memory;
  RowsView view;
};

// `graph` as a model recorded it; the product that makes logits is not run. Token ids are below the
// rows of the embedding. `progress`: fraction of the instructions done.
Result<HiddenRows> run_graph(const Graph& graph, const RunInput& input, RunVisitor& visitor,
                             const Context& context,
                             const std::function<void(double fraction)>& progress);

}  // namespace autoglm
