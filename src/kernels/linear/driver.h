// The loops around a micro-kernel, and what is done to its sums: shared by all variants, compiled
// once for each with its own vector type F.
#pragma once

#include <cstdint>

#include "kernels/linear/panel_kernels.h"
#include "kernels/simd/math.h"

namespace autoglm {

// What turns the sums of one panel into results: the scales and the bias of its sixteen channels.
template <class F, class Sum>
struct Channels;

template <class F>
struct Channels<F, int32_t> {
  F scales, bias;
  bool has_bias;

  Channels(const LinearTask& task, const float* bias_from, int64_t panel, int64_t left)
      : scales(F::load(task.channel_scales + panel * 16)),
        bias(bias_from != nullptr ? F::load(bias_from, left) : F::zero()),
        has_bias(bias_from != nullptr) {}
  F finished(const LinearTask& task, const int32_t* sums, int64_t row) const {
    const F value = F::from_i32(sums) * scales * F::set(task.quantized.scales[row]);
    return has_bias ? value + bias : value;
  }
};

template <class F>
struct Channels<F, float> {
  F bias;
  bool has_bias;

  Channels(const LinearTask&, const float* bias_from, int64_t, int64_t left)
      : bias(bias_from != nullptr ? F::load(bias_from, left) : F::zero()),
        has_bias(bias_from != nullptr) {}
  F finished(const LinearTask&, const float* sums, int64_t) const {
    const F value = F::load(sums);
    return has_bias ? value + bias : value;
  }
};

// One panel, or for swiglu one and the next, of the rows from `row` on; sums of a row lie `stride`
// after those of the row before.
template <class F, Epilogue kEpilogue, class Sum>
void finish_panel(const LinearTask& task, const Sum* sums, int64_t stride, int64_t row,
                  int64_t n_rows, int64_t panel) {
  constexpr bool kSwiglu = kEpilogue == Epilogue::kSwiglu;
  const int64_t column = kSwiglu ? panel / 2 * 16 : panel * 16;
  const int64_t left = task.n_out - column;
  const auto from = [&](const float* channels) { return channels ? channels + column : nullptr; };
  const Channels<F, Sum> own(task, from(task.bias), panel, left);
  const Channels<F, Sum> up(task, from(task.up_bias), panel + (kSwiglu ? 1 : 0), left);
  const float* residual = from(task.residual);
  for (int64_t i = row; i < row + n_rows; ++i, sums += stride) {
    F value = own.finished(task, sums, i);
    if constexpr (kSwiglu) value = silu(value) * up.finished(task, sums + 16, i);
    if constexpr (kEpilogue == Epilogue::kGelu) value = gelu(value);
    if (residual != nullptr) value = value + F::load(residual + i * task.residual_stride, left);
    value.store(task.y + i * task.y_stride + column, left);
  }
}

// `sums` holds those of `n_panels` panels for each row, 16 a panel.
template <class F, class Sum>
void finish_rows(const LinearTask& task, const Sum* sums, int64_t stride, int64_t row,
                 int64_t n_rows, int64_t panel, int64_t n_panels) {
  using enum Epilogue;
  for (int64_t i = 0; i < n_panels; i += task.epilogue == kSwiglu ? 2 : 1) {
    const Sum* of_panel = sums + i * 16;
    switch (task.epilogue) {
      case kNone: finish_panel<F, kNone>(task, of_panel, stride, row, n_rows, panel + i); break;
      case kSwiglu: finish_panel<F, kSwiglu>(task, of_panel, stride, row, n_rows, panel + i); break;
      case kGelu: finish_panel<F, kGelu>(task, of_panel, stride, row, n_rows, panel + i); break;
    }
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
      finish_rows<F>(task, tile, n_panels * 16, row, n_rows, p, n_panels);
    }
  }
}

}  // namespace autoglm
