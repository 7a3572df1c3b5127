// The micro-kernel for f32, f16 and bf16 weights on a vector type F: each lane is one output
// channel and runs along k with one fused multiply-add a step. Rows and panels side by side hide
// its latency.
#pragma once

#include <cstdint>

#include "kernels/linear/panel_kernels.h"
#include "kernels/simd/load.h"

namespace autoglm {

// How weights are read: so many columns at once, each a vector of 16 channels.
template <class F, class Load>
struct OneColumn {
  using Stored = typename Load::Stored;
  static constexpr int kColumns = 1;
  static void load(const Stored* p, F* out) { out[0] = Load::load(p); }
};
template <class F>
struct Bf16Columns {
  using Stored = uint16_t;
  static constexpr int kColumns = 2;
  static void load(const uint16_t* p, F* out) { F::load_bf16_pairs(p, &out[0], &out[1]); }
};

// out[R][P][16] = R rows of x by P panels, over the whole of k.
template <class F, class Load, int R, int P>
void float_tile(const LinearTask& task, int64_t row, int64_t panel, float* out,
                int64_t out_stride) {
  using Stored = typename Load::Stored;
  constexpr int kColumns = Load::kColumns;
  const Stored* w[P];
  for (int p = 0; p < P; ++p) {
    w[p] = reinterpret_cast<const Stored*>(task.panels + (panel + p) * task.panel_bytes);
  }
  const float* x[R];
  for (int r = 0; r < R; ++r) x[r] = task.x + (row + r) * task.x_stride;
  F sum[R][P];
  for (int r = 0; r < R; ++r) {
    for (int p = 0; p < P; ++p) sum[r][p] = F::zero();
  }
  const auto add_columns = [&]<int kN>(int64_t k) __attribute__((always_inline)) {
    F weight[P][kColumns];
    for (int p = 0; p < P; ++p) {
      Load::load(w[p] + k * 16, weight[p]);
      // With one row the weights come from memory: half a page ahead of what the prefetcher has
      // confirmed.
      if constexpr (R == 1) __builtin_prefetch(reinterpret_cast<const char*>(w[p] + k * 16) + 2048);
    }
    for (int c = 0; c < kN; ++c) {
      for (int r = 0; r < R; ++r) {
        const F value = F::set(x[r][k + c]);
        for (int p = 0; p < P; ++p) sum[r][p] = fma(value, weight[p][c], sum[r][p]);
      }
    }
  };
  int64_t k = 0;
  for (; k + kColumns <= task.k; k += kColumns) add_columns.template operator()<kColumns>(k);
  if constexpr (kColumns > 1) {
    if (k < task.k) add_columns.template operator()<1>(k);
  }
  for (int r = 0; r < R; ++r) {
    for (int p = 0; p < P; ++p) sum[r][p].store(out + r * out_stride + p * 16);
  }
}

// kMaxRows rows over kWide panels at once.
template <class F, class Load, int kMaxRows, int kWide>
struct FloatMicro {
  using Sum = float;
  static constexpr int64_t kRows = kMaxRows;
  static constexpr int64_t kPanels = kWide > 2 ? kWide : 2;
  const LinearTask& task;

  FloatMicro(const LinearTask& t, const LinearPart&, std::byte*) : task(t) {}

  template <int R, int P>
  void rows(int64_t row, int64_t n_rows, int64_t panel, float* out, int64_t stride) const {
    if constexpr (R > 1) {
      if (n_rows < R) return rows<R - 1, P>(row, n_rows, panel, out, stride);
    }
    float_tile<F, Load, R, P>(task, row, panel, out, stride);
  }

  void tile(int64_t row, int64_t n_rows, int64_t panel, int64_t n_panels, float* out) const {
    int64_t p = 0;
    for (; p + kWide <= n_panels; p += kWide) {
      rows<kMaxRows, kWide>(row, n_rows, panel + p, out + p * 16, n_panels * 16);
    }
    if constexpr (kWide > 1) {
      for (; p < n_panels; ++p) {
        rows<kMaxRows, 1>(row, n_rows, panel + p, out + p * 16, n_panels * 16);
      }
    }
  }
};

}  // namespace autoglm
