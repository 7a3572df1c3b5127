// AVX2 micro-kernels for f32, f16 and bf16 weights: each lane is one output channel and runs along
// k with one fused multiply-add a step. Rows and panels side by side hide its latency.
#pragma once

#ifdef __AVX2__
#include "kernels/linear/panel_kernels.h"
#include "kernels/simd/avx2.h"

namespace autoglm::avx2 {
namespace {

struct LoadF32 {
  using Stored = float;
  static F32 load(const float* p) { return F32::load(p); }
};
struct LoadF16 {
  using Stored = uint16_t;
  static F32 load(const uint16_t* p) { return F32::load_f16(p); }
};
struct LoadBf16 {
  using Stored = uint16_t;
  static F32 load(const uint16_t* p) { return F32::load_bf16(p); }
};

// out[R][P][16] = R rows of x by P panels, over the whole of k.
template <class Load, int R, int P>
void float_tile(const LinearTask& task, int64_t row, int64_t panel, float* out,
                int64_t out_stride) {
  using Stored = typename Load::Stored;
  const Stored* w[P];
  for (int p = 0; p < P; ++p) {
    w[p] = reinterpret_cast<const Stored*>(task.panels + (panel + p) * task.panel_bytes);
  }
  const float* x[R];
  for (int r = 0; r < R; ++r) x[r] = task.x + (row + r) * task.x_stride;
  F32 sum[R][P];
  for (int r = 0; r < R; ++r) {
    for (int p = 0; p < P; ++p) sum[r][p] = F32::zero();
  }
  for (int64_t k = 0; k < task.k; ++k) {
    F32 weight[P];
    for (int p = 0; p < P; ++p) {
      weight[p] = Load::load(w[p] + k * 16);
      // A page ahead: what the hardware's prefetcher would wait to see confirmed.
      if constexpr (R == 1)
        _mm_prefetch(reinterpret_cast<const char*>(w[p] + k * 16) + 2048, _MM_HINT_T0);
    }
    for (int r = 0; r < R; ++r) {
      const __m256 value = _mm256_broadcast_ss(x[r] + k);
      for (int p = 0; p < P; ++p) {
        sum[r][p].lo = _mm256_fmadd_ps(value, weight[p].lo, sum[r][p].lo);
        sum[r][p].hi = _mm256_fmadd_ps(value, weight[p].hi, sum[r][p].hi);
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int p = 0; p < P; ++p) sum[r][p].store(out + r * out_stride + p * 16);
  }
}

// kMaxRows rows at once over `kWide` panels at once; 6 x 1 fills the 16 registers with 12 sums, 1 x
// 4 hides the latency of 4 cycles with 8 sums in flight.
template <class Load, int kMaxRows, int kWide>
struct FloatMicro {
  using Sum = float;
  static constexpr int64_t kRows = kMaxRows;
  static constexpr int64_t kPanels = kWide > 2 ? kWide : 2;
  const LinearTask& task;

  FloatMicro(const LinearTask& t, const LinearPart&, std::byte*) : task(t) {}

  template <int P>
  void rows(int64_t row, int64_t n_rows, int64_t panel, float* out, int64_t stride) const {
    if constexpr (kMaxRows >= 6) {
      if (n_rows == 6) return float_tile<Load, 6, P>(task, row, panel, out, stride);
      if (n_rows == 5) return float_tile<Load, 5, P>(task, row, panel, out, stride);
      if (n_rows == 4) return float_tile<Load, 4, P>(task, row, panel, out, stride);
    }
    if constexpr (kMaxRows >= 3) {
      if (n_rows == 3) return float_tile<Load, 3, P>(task, row, panel, out, stride);
      if (n_rows == 2) return float_tile<Load, 2, P>(task, row, panel, out, stride);
    }
    float_tile<Load, 1, P>(task, row, panel, out, stride);
  }

  void tile(int64_t row, int64_t n_rows, int64_t panel, int64_t n_panels, float* out) const {
    int64_t p = 0;
    for (; p + kWide <= n_panels; p += kWide) {
      rows<kWide>(row, n_rows, panel + p, out + p * 16, n_panels * 16);
    }
    for (; p < n_panels; ++p) rows<1>(row, n_rows, panel + p, out + p * 16, n_panels * 16);
  }
};

}  // namespace
}  // namespace autoglm::avx2
#endif
