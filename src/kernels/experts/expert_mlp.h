// The feed-forward part of a mixture of experts: each row goes through the SwiGLU MLPs that its
// routes name, and through the shared one. Rows are sorted by expert, so that a step reads the
// weights of each expert that anybody needs once, and of no other; all products of a stage are one
// list of parts. A row's result is summed in the order of its own choices, and so depends on no
// other row:
//   y = w_0 * E_0; y = fma(w_j, E_j, y) for j = 1, ...; y = y + shared, or fma(gate, shared, y);
//   y = y + residual
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/isa.h"
#include "kernels/linear/packed_weight.h"

namespace autoglm {

struct ExpertMlpArgs {
  const PackedWeight* gate_up = nullptr;  // a member for each expert, in PackOrder::kGateUp
  const PackedWeight* down = nullptr;
  const PackedWeight* shared_gate_up = nullptr;  // or null
  const PackedWeight* shared_down = nullptr;
  bool rounds_once = false;  // gate_up->members_share_columns()
  int64_t chosen = 0;
  bool shared_gate = false;
  int64_t rows = 0;
  const float* x = nullptr;  // [rows, gate_up->k()]
  int64_t x_stride = 0;
  const float* routes = nullptr;  // as route() makes them
  int64_t routes_stride = 0;
  const float* residual = nullptr;  // [rows, down->n_out()] or null; may be y itself
  int64_t residual_stride = 0;
  float* y = nullptr;  // must not overlap x or routes
  int64_t y_stride = 0;
};

// For up to `max_rows`, aligned to 64. Of `args`, the weights and numbers of experts count.
int64_t expert_mlp_scratch_bytes(const Context& context, const ExpertMlpArgs& args,
                                 int64_t max_rows);

void expert_mlp(const Context& context, const ExpertMlpArgs& args, std::span<std::byte> scratch);

}  // namespace autoglm
