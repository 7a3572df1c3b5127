// Which experts each row goes to, and with what weights. Everything is f32 and in one order on
// every instruction set:
//   softmax: s = exp(l - max l); s / (s_0 + s_1 + ... in ascending order)
//   sigmoid: 1 / (1 + exp(-l))
// chosen are the highest s + bias, the lowest index of equal ones; weights are s, divided by their
// sum from the first chosen on where asked for, then times the scale.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/isa.h"

namespace autoglm {

// As RouteSpec (graph/graph.h); kernels know no graph.
struct RouteArgs {
  bool sigmoid = false;
  int64_t experts = 0;
  int64_t chosen = 0;
  int64_t groups = 1;
  int64_t chosen_groups = 1;
  bool renormalize = false;
  float scale = 1;
  bool shared_gate = false;
  const float* bias = nullptr;  // [experts], or null
  int64_t rows = 0;
  const float* logits = nullptr;  // [rows, experts (+ 1)]
  int64_t logits_stride = 0;
  float* y = nullptr;  // [rows, 2 * chosen (+ 1)]: indices, weights
  int64_t y_stride = 0;
};

// Aligned to 64.
int64_t route_scratch_bytes(const Context& context, int64_t experts);

// A logit that is no number makes weights that are none; indices are different and in range all
// the same.
void route(const Context& context, const RouteArgs& args, std::span<std::byte> scratch);

}  // namespace autoglm
