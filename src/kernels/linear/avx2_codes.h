// AVX2 micro-kernels for the formats that hold a file's codes (code_form.h): sums of a group exact
// in int32, groups combined in f32 in their order, lanes are output channels.
#pragma once

#ifdef __AVX2__
#include "kernels/linear/avx2_integer.h"
#include "kernels/linear/code_sums.h"

namespace autoglm::avx2 {
namespace {

// Eight f16 as floats, and eight signed bytes.
inline __m256 load_halves(const uint8_t* p) { return _mm256_cvtph_ps(load_128(p)); }
inline __m256 load_bytes(const uint8_t* p) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
}

// A group's scales or minima, of half h of the lanes: multiples of their header's where the form
// has headers.
template <int kForm>
__m256 scale_at(const uint8_t* p, int h, __m256 header) {
  if constexpr (kCodeForms[kForm].nested) return _mm256_mul_ps(header, load_bytes(p + h * 8));
  return load_halves(p + h * 16);
}

// Codes of 4 bits, all 32 columns of one half of a block. Unsigned codes by signed activations: 8
// pairs, at most 8 * 2 * 15 * 127, fit int16.
template <int R, int kHalf>
void sum_nibbles(const CodePanel& panel, const uint8_t* w, const int8_t* x, __m256i sum[R][2]) {
  const __m256i low_nibbles = _mm256_set1_epi8(15);
  __m256i pairs[R][2];
  for (int r = 0; r < R; ++r) pairs[r][0] = pairs[r][1] = _mm256_setzero_si256();
  for (int q = 0; q < 8; ++q) {
    __m256i code[2];
    for (int h = 0; h < 2; ++h) {
      const __m256i both = load_256(w + q * 64 + h * 32);
      code[h] = _mm256_and_si256(kHalf == 0 ? both : _mm256_srli_epi16(both, 4), low_nibbles);
    }
    for (int r = 0; r < R; ++r) {
      const __m256i value = _mm256_set1_epi32(load_as<int32_t>(x + r * panel.padded_k + q * 4));
      for (int h = 0; h < 2; ++h) add_byte_products(pairs[r][h], code[h], value);
    }
  }
  const __m256i ones = _mm256_set1_epi16(1);
  for (int r = 0; r < R; ++r) {
    for (int h = 0; h < 2; ++h) sum[r][h] = _mm256_madd_epi16(pairs[r][h], ones);
  }
}

// Codes of 8 bits, 4 * kQuads columns. vpmaddubsw wants one side unsigned: |code|, the sign going
// to the activation. A pair is at most 2 * 128 * 127, which fits int16.
template <int R, int kQuads>
void sum_bytes(const CodePanel& panel, const uint8_t* w, const int8_t* x, __m256i sum[R][2]) {
  const __m256i ones = _mm256_set1_epi16(1);
  for (int r = 0; r < R; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
  for (int q = 0; q < kQuads; ++q) {
    __m256i code[2];
    __m256i magnitude[2];
    for (int h = 0; h < 2; ++h) {
      code[h] = load_256(w + q * 64 + h * 32);
      magnitude[h] = _mm256_abs_epi8(code[h]);
    }
    for (int r = 0; r < R; ++r) {
      const __m256i value = _mm256_set1_epi32(load_as<int32_t>(x + r * panel.padded_k + q * 4));
      for (int h = 0; h < 2; ++h) {
        const __m256i pairs = _mm256_maddubs_epi16(magnitude[h], _mm256_sign_epi8(value, code[h]));
        add_products(sum[r][h], pairs, ones);
      }
    }
  }
}

// Group kGroup of a block. `header`: nested scales and minima of both halves of the lanes.
template <int kForm, int R, int kGroup>
void code_group(const CodePanel& panel, const uint8_t* block, int64_t b, const __m256 header[2][2],
                __m256 acc[R][2]) {
  constexpr CodeForm form = kCodeForms[kForm];
  const int8_t* x = panel.x + b * 64 + kGroup * form.group;
  __m256i sum[R][2];
  if constexpr (form.bits == 4) {
    sum_nibbles<R, kGroup>(panel, block, x, sum);
  } else {
    sum_bytes<R, form.group / 4>(panel, block + kGroup * form.group * 16, x, sum);
  }
  const uint8_t* scales = block + form.code_bytes() + kGroup * 16 * (form.nested ? 1 : 2);
  const int64_t g = b * form.groups() + kGroup;
  for (int h = 0; h < 2; ++h) {
    const __m256 scale = scale_at<kForm>(scales, h, header[0][h]);
    __m256 minimum = scale;
    if constexpr (form.minimum) {
      minimum = scale_at<kForm>(scales + form.scales_bytes(), h, header[1][h]);
    }
    for (int r = 0; r < R; ++r) {
      __m256i exact = sum[r][h];
      if constexpr (form.zero != 0) {
        exact = _mm256_add_epi32(exact, _mm256_set1_epi32(panel.sums.starts[g * panel.tile + r]));
      }
      const float x_scale = panel.sums.x_scales[g * panel.tile + r];
      const __m256 scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(exact), _mm256_set1_ps(x_scale));
      acc[r][h] = _mm256_fmadd_ps(scale, scaled, acc[r][h]);
      if constexpr (form.minimum) {
        const __m256 of_sum = _mm256_set1_ps(panel.sums.of_minimum[g * panel.tile + r]);
        acc[r][h] = _mm256_fnmadd_ps(minimum, of_sum, acc[r][h]);
      }
    }
  }
}

// Adds what row r keeps apart.
template <int kForm>
void add_outliers(const CodePanel& panel, int r, __m256 acc[2]) {
  constexpr CodeForm form = kCodeForms[kForm];
  for (const Outlier& outlier : panel.outliers(r)) {
    const CodeColumn<kForm> at(panel.w, outlier.column);
    const __m256 x = _mm256_set1_ps(outlier.value);
    for (int h = 0; h < 2; ++h) {
      const __m256i four = load_256(at.codes + h * 32);
      __m256i code;
      if constexpr (form.bits == 8) {
        code = _mm256_srai_epi32(_mm256_sllv_epi32(four, _mm256_set1_epi32(24 - at.shift)), 24);
      } else {
        code = _mm256_and_si256(_mm256_srlv_epi32(four, _mm256_set1_epi32(at.shift)),
                                _mm256_set1_epi32(15));
        code = _mm256_sub_epi32(code, _mm256_set1_epi32(form.zero));
      }
      const __m256 header = form.nested ? load_halves(at.header + h * 16) : _mm256_setzero_ps();
      const __m256 weight =
          _mm256_mul_ps(scale_at<kForm>(at.scales, h, header), _mm256_cvtepi32_ps(code));
      acc[h] = _mm256_fmadd_ps(weight, x, acc[h]);
    }
  }
}

template <int kForm, int R>
void code_tile(const CodePanel& panel) {
  constexpr CodeForm form = kCodeForms[kForm];
  __m256 acc[R][2];
  for (int r = 0; r < R; ++r) acc[r][0] = acc[r][1] = _mm256_setzero_ps();
  __m256 header[2][2] = {};
  const uint8_t* w = panel.w;
  for (int64_t b = 0; b < panel.padded_k / 64; ++b, w += form.block_bytes()) {
    if (form.nested && b % 4 == 0) {
      for (int h = 0; h < 2; ++h) {
        header[0][h] = load_halves(w + h * 16);
        if constexpr (form.minimum) header[1][h] = load_halves(w + 32 + h * 16);
      }
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
    add_outliers<kForm>(panel, r, acc[r]);
    for (int h = 0; h < 2; ++h) {
      _mm256_storeu_ps(panel.out + r * panel.out_stride + h * 8, acc[r][h]);
    }
  }
}

template <int kForm>
struct CodeMicro {
  using Sum = float;
  // 4 x 2 sums of a group, 2 codes, their magnitudes and an activation; sums in f32 wait in memory.
  static constexpr int64_t kRows = 4;
  static constexpr int64_t kPanels = 2;
  const LinearTask& task;
  CodeSums sums;

  CodeMicro(const LinearTask& t, const LinearPart& part, std::byte* scratch)
      : task(t),
        sums(kCodeForms[kForm], {kCodeForms[kForm].zero, kRows}, t.quantized, part.row_begin,
             part.row_end, scratch) {}

  void tile(int64_t row, int64_t n_rows, int64_t panel, int64_t n_panels, float* out) const {
    for (int64_t p = 0; p < n_panels; ++p) {
      const CodePanel work = code_panel(task.panels + (panel + p) * task.panel_bytes,
                                        task.quantized, sums, row, out + p * 16, n_panels * 16);
      switch (n_rows) {
        case 4: code_tile<kForm, 4>(work); break;
        case 3: code_tile<kForm, 3>(work); break;
        case 2: code_tile<kForm, 2>(work); break;
        default: code_tile<kForm, 1>(work); break;
      }
    }
  }
};

}  // namespace
}  // namespace autoglm::avx2
#endif
