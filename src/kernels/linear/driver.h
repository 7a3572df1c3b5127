// The loops around a micro-kernel, and what is done to its sums: shared by all variants, compiled
// once for each with its own vector type F.
#pragma once

#include <cstdint>

#include "kernels/linear/panel_kernels.h"
#include "kernels/simd/math.h"

namespace autoglm {

// The sums of one row and one panel as floats, scaled and with their bias.
template <class F>
F finished_value(const LinearTask& task, const int32_t* sums, int64_t row, int64_t panel) {
  const F scaled = F::from_i32(sums) * F::load(task.channel_scales + panel * 16);
  return scaled * F::set(task.quantized.scales[row]);
}
template <class F>
F finished_value(const LinearTask&, const float* sums, int64_t, int64_t) {
  return F::load(sums);
}

// `tile` holds the sums of `n_panels` panels of row `row`.
template <class F, class Sum>
void finish_row(const LinearTask& task, const Sum* tile, int64_t row, int64_t panel,
                int64_t n_panels) {
  const bool swiglu = task.epilogue == Epilogue::kSwiglu;
  for (int64_t i = 0; i < n_panels; i += swiglu ? 2 : 1) {
    const int64_t column = swiglu ? (panel + i) / 2 * 16 : (panel + i) * 16;
    const int64_t left = task.n_out - column;
    F value = finished_value<F>(task, tile + i * 16, row, panel + i);
    if (task.bias != nullptr) value = value + F::load(task.bias + column, left);
    if (swiglu) {
      F up = finished_value<F>(task, tile + (i + 1) * 16, row, panel + i + 1);
      if (task.up_bias != nullptr) up = up + F::load(task.up_bias + column, left);
      value = silu(value) * up;
    }
    if (task.residual != nullptr) {
      value = value + F::load(task.residual + row * task.residual_stride + column, left);
    }
    value.store(task.y + row * task.y_stride + column, left);
  }
}

// Micro has: Sum (int32_t or float), kRows, kPanels (even), a constructor (task, part, scratch),
// and tile(row, n_rows, panel, n_panels, Sum* out), which writes out[n_rows][n_panels][16].
template <class F, class Micro>
void run_panels(const LinearTask& task, const LinearPart& part, std::byte* scratch) {
  Micro micro(task, part, scratch);
  alignas(64) typename Micro::Sum tile[Micro::kRows * Micro::kPanels * 16];
  for (int64_t p = part.panel_begin; p < part.panel_end; p += Micro::kPanels) {
    const int64_t n_panels =
        part.panel_end - p < Micro::kPanels ? part.panel_end - p : Micro::kPanels;
    for (int64_t row = part.row_begin; row < part.row_end; row += Micro::kRows) {
      const int64_t n_rows = part.row_end - row < Micro::kRows ? part.row_end - row : Micro::kRows;
      micro.tile(row, n_rows, p, n_panels, tile);
      for (int64_t i = 0; i < n_rows; ++i) {
        finish_row<F>(task, tile + i * n_panels * 16, row + i, p, n_panels);
      }
    }
  }
}

}  // namespace autoglm
