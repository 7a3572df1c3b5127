// AVX-512 VNNI micro-kernels for the formats that hold a file's codes (code_form.h): sums of a
// group exact in int32, groups combined in f32 in their order, a lane being one output channel.
#pragma once

#if defined(__AVX512VNNI__) || defined(AUTOGLM_EMULATED_AVX512)
#include "kernels/linear/avx512_integer.h"
#include "kernels/linear/code_sums.h"

namespace autoglm::avx512 {
namespace {

// Sixteen signed bytes as floats: made unsigned, widened, and put back.
inline F32 load_bytes(const uint8_t* p) {
  const __m128i biased = _mm_xor_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)),
                                       _mm_set1_epi8(static_cast<char>(0x80)));
  return {
      _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_cvtepu8_epi32(biased), _mm512_set1_epi32(128)))};
}
inline F32 load_halves(const uint8_t* p) {
  return F32::load_f16(reinterpret_cast<const uint16_t*>(p));
}

// A group's scales or minima, which are multiples of their header's where the form has headers.
template <int kForm>
F32 scale_at(const uint8_t* p, F32 header) {
  if constexpr (kCodeForms[kForm].nested) return header * load_bytes(p);
  return load_halves(p);
}

// vpdpbusd wants unsigned codes: those of 8 bits get 128 more by flipping their top bit, those of 4
// bits have been stored with form.zero more; the sums begin with what that adds (code_sums.h).
constexpr int excess_of(const CodeForm& form) { return form.bits == 8 ? 128 : form.zero; }

template <int kForm, int R, int kGroup>
void code_group(const CodePanel& panel, const uint8_t* block, int64_t b, const F32 header[2],
                F32 acc[R]) {
  constexpr CodeForm form = kCodeForms[kForm];
  const __m512i low_nibbles = _mm512_set1_epi32(0x0f0f0f0f);
  const __m512i top_bits = _mm512_set1_epi32(static_cast<int>(0x80808080u));
  const int8_t* x = panel.x + b * 64 + kGroup * form.group;
  const int64_t g = b * form.groups() + kGroup;
  __m512i sum[R];
  for (int r = 0; r < R; ++r) {
    sum[r] = excess_of(form) == 0 ? _mm512_setzero_si512()
                                  : _mm512_set1_epi32(panel.sums.starts[g * panel.tile + r]);
  }
  for (int q = 0; q < form.group / 4; ++q) {
    __m512i code;
    if constexpr (form.bits == 8) {
      code =
          _mm512_xor_si512(_mm512_loadu_si512(block + kGroup * form.group * 16 + q * 64), top_bits);
    } else {
      const __m512i both = _mm512_loadu_si512(block + q * 64);
      code = _mm512_and_si512(kGroup == 0 ? both : _mm512_srli_epi16(both, 4), low_nibbles);
    }
    for (int r = 0; r < R; ++r) {
      sum[r] = add_quad_products(sum[r], code, x + r * panel.padded_k + q * 4);
    }
  }
  const uint8_t* scales = block + form.code_bytes() + kGroup * 16 * (form.nested ? 1 : 2);
  const F32 scale = scale_at<kForm>(scales, header[0]);
  F32 minimum = scale;
  if constexpr (form.minimum) minimum = scale_at<kForm>(scales + form.scales_bytes(), header[1]);
  for (int r = 0; r < R; ++r) {
    const float x_scale = panel.sums.x_scales[g * panel.tile + r];
    acc[r] = fma(scale, F32{_mm512_cvtepi32_ps(sum[r])} * F32::set(x_scale), acc[r]);
    if constexpr (form.minimum) {
      acc[r] = fnma(minimum, F32::set(panel.sums.of_minimum[g * panel.tile + r]), acc[r]);
    }
  }
}

// Adds what row r keeps apart.
template <int kForm>
F32 with_outliers(const CodePanel& panel, int r, F32 acc) {
  constexpr CodeForm form = kCodeForms[kForm];
  for (const Outlier& outlier : panel.outliers(r)) {
    const CodeColumn<kForm> at(panel.w, outlier.column);
    const __m512i four = _mm512_loadu_si512(at.codes);
    __m512i code;
    if constexpr (form.bits == 8) {
      code = _mm512_srai_epi32(_mm512_sllv_epi32(four, _mm512_set1_epi32(24 - at.shift)), 24);
    } else {
      code = _mm512_and_si512(_mm512_srlv_epi32(four, _mm512_set1_epi32(at.shift)),
                              _mm512_set1_epi32(15));
      if constexpr (form.zero != 0) code = _mm512_sub_epi32(code, _mm512_set1_epi32(form.zero));
    }
    const F32 header = form.nested ? load_halves(at.header) : F32::zero();
    const F32 weight = scale_at<kForm>(at.scales, header) * F32{_mm512_cvtepi32_ps(code)};
    acc = fma(weight, F32::set(outlier.value), acc);
  }
  return acc;
}

template <int kForm, int R>
void code_tile(const CodePanel& panel) {
  constexpr CodeForm form = kCodeForms[kForm];
  F32 acc[R];
  for (int r = 0; r < R; ++r) acc[r] = F32::zero();
  F32 header[2] = {F32::zero(), F32::zero()};
  const uint8_t* w = panel.w;
  for (int64_t b = 0; b < panel.padded_k / 64; ++b, w += form.block_bytes()) {
    if (form.nested && b % 4 == 0) {
      header[0] = load_halves(w);
      if constexpr (form.minimum) header[1] = load_halves(w + 32);
      w += form.header_bytes();
    }
    code_group<kForm, R, 0>(panel, w, b, header, acc);
    code_group<kForm, R, 1>(panel, w, b, header, acc);
    if constexpr (form.group == 16) {
      code_group<kForm, R, 2>(panel, w, b, header, acc);
      code_group<kForm, R, 3>(panel, w, b, header, acc);
    }
  }
  for (int r = 0; r < R; ++r) {
    with_outliers<kForm>(panel, r, acc[r]).store(panel.out + r * panel.out_stride);
  }
}

template <int kForm>
struct CodeMicro {
  using Sum = float;
  // A sum of a group and one of all for each row: 16 of 32 registers.
  static constexpr int64_t kRows = 8;
  static constexpr int64_t kPanels = 2;
  const LinearTask& task;
  CodeSums sums;

  CodeMicro(const LinearTask& t, const LinearPart& part, std::byte* scratch)
      : task(t),
        sums(kCodeForms[kForm], {excess_of(kCodeForms[kForm]), kRows}, t.quantized, part.row_begin,
             part.row_end, scratch) {}

  template <int R>
  static void rows(const CodePanel& panel, int64_t n_rows) {
    if constexpr (R > 1) {
      if (n_rows < R) return rows<R - 1>(panel, n_rows);
    }
    code_tile<kForm, R>(panel);
  }

  void tile(int64_t row, int64_t n_rows, int64_t panel, int64_t n_panels, float* out) const {
    for (int64_t p = 0; p < n_panels; ++p) {
      rows<kRows>(code_panel(task.panels + (panel + p) * task.panel_bytes, task.quantized, sums,
                             row, out + p * 16, n_panels * 16),
                  n_rows);
    }
  }
};

}  // namespace
}  // namespace autoglm::avx512
#endif
