// The plain variant: the order of operations that the others must keep.
#include <cmath>
#include <cstring>

#include "kernels/linear/code_sums.h"
#include "kernels/linear/driver.h"
#include "kernels/linear/layout.h"
#include "kernels/simd/generic.h"
#include "kernels/simd/half.h"

namespace autoglm {
namespace {

struct FloatMicro {
  using Sum = float;
  static constexpr int64_t kRows = 1;
  static constexpr int64_t kPanels = 2;
  const LinearTask& task;

  FloatMicro(const LinearTask& t, const LinearPart&, std::byte*) : task(t) {}

  float weight(const std::byte* panel, int64_t k, int64_t lane) const {
    const auto* halves = reinterpret_cast<const uint16_t*>(panel);
    switch (task.format) {
      case WeightFormat::kF16: return f16_to_f32(halves[k * 16 + lane]);
      case WeightFormat::kBF16: return bf16_to_f32(halves[layout::bf16_at(k, lane)]);
      default: return reinterpret_cast<const float*>(panel)[k * 16 + lane];
    }
  }

  void tile(int64_t row, int64_t, int64_t panel, int64_t n_panels, float* out) const {
    const float* x = task.x + row * task.x_stride;
    for (int64_t p = 0; p < n_panels; ++p) {
      const std::byte* w = task.panels + (panel + p) * task.panel_bytes;
      for (int64_t lane = 0; lane < 16; ++lane) {
        float sum = 0;
        for (int64_t k = 0; k < task.k; ++k) sum = std::fma(x[k], weight(w, k, lane), sum);
        out[p * 16 + lane] = sum;
      }
    }
  }
};

struct IntegerMicro {
  using Sum = int32_t;
  static constexpr int64_t kRows = 1;
  static constexpr int64_t kPanels = 2;
  const LinearTask& task;
  layout::ProgressivePanel progressive;

  IntegerMicro(const LinearTask& t, const LinearPart&, std::byte*)
      : task(t),
        progressive{.form = progressive_form(t.format), .n_blocks = t.quantized.padded_k() / 64} {}

  int32_t weight(const std::byte* panel, int64_t k, int64_t lane) const {
    const auto* bytes = reinterpret_cast<const uint8_t*>(panel);
    if (task.format == WeightFormat::kInt8) {
      return static_cast<int8_t>(bytes[layout::int8_at(k, lane)]);
    }
    return progressive.bracket(bytes, k, lane);
  }

  void tile(int64_t row, int64_t, int64_t panel, int64_t n_panels, int32_t* out) const {
    const int8_t* x = task.quantized.values + row * task.quantized.padded_k();
    for (int64_t p = 0; p < n_panels; ++p) {
      const std::byte* w = task.panels + (panel + p) * task.panel_bytes;
      for (int64_t lane = 0; lane < 16; ++lane) {
        int32_t sum = 0;
        for (int64_t k = 0; k < task.k; ++k) sum += x[k] * weight(w, k, lane);
        out[p * 16 + lane] = sum;
      }
    }
  }
};

struct CodeMicro {
  using Sum = float;
  static constexpr int64_t kRows = 1;
  static constexpr int64_t kPanels = 2;
  const LinearTask& task;
  const CodeForm& form;
  CodeSums sums;

  CodeMicro(const LinearTask& t, const LinearPart& part, std::byte* scratch)
      : task(t),
        form(code_form(t.format)),
        sums(form, {.tile = kRows}, t.quantized, part.row_begin, part.row_end, scratch) {}

  static float half_at(const uint8_t* bytes, int64_t i) {
    uint16_t bits = 0;
    std::memcpy(&bits, bytes + i * 2, sizeof bits);
    return f16_to_f32(bits);
  }

  int32_t code(const uint8_t* block, int64_t k, int64_t lane) const {
    if (form.bits == 8) return static_cast<int8_t>(block[CodeForm::byte_at(k, lane)]);
    const int both = block[CodeForm::nibble_at(k, lane)];
    return (k < 32 ? both & 15 : both >> 4) - form.zero;
  }

  struct Scales {
    float scale;
    float minimum;  // 0 where the form has none
  };
  Scales scales_of(const uint8_t* w, int64_t g, int64_t lane) const {
    const int64_t b = g / form.groups();
    const uint8_t* scales = w + form.block_at(b) + form.code_bytes();
    const uint8_t* minima = scales + form.scales_bytes();
    const int64_t at = g % form.groups() * 16 + lane;
    if (!form.nested) return {half_at(scales, at), form.minimum ? half_at(minima, at) : 0};
    const uint8_t* header = w + form.header_at(b);
    return {half_at(header, lane) * static_cast<int8_t>(scales[at]),
            form.minimum ? half_at(header + 32, lane) * static_cast<int8_t>(minima[at]) : 0};
  }

  float channel(const CodePanel& panel, int64_t lane) const {
    float y = 0;
    for (int64_t g = 0; g < sums.groups(); ++g) {
      const uint8_t* block = panel.w + form.block_at(g / form.groups());
      int32_t sum = 0;
      for (int64_t k = g * form.group; k < (g + 1) * form.group; ++k) {
        sum += panel.x[k] * code(block, k % 64, lane);
      }
      const Scales of = scales_of(panel.w, g, lane);
      y = std::fma(of.scale, static_cast<float>(sum) * panel.sums.x_scales[g], y);
      if (form.minimum) y = std::fma(-of.minimum, panel.sums.of_minimum[g], y);
    }
    for (const Outlier& outlier : panel.outliers(0)) {
      const int64_t k = outlier.column;
      const Scales of = scales_of(panel.w, k / form.group, lane);
      const int32_t own = code(panel.w + form.block_at(k / 64), k % 64, lane);
      y = std::fma(of.scale * static_cast<float>(own), outlier.value, y);
    }
    return y;
  }

  void tile(int64_t row, int64_t, int64_t panel, int64_t n_panels, float* out) const {
    for (int64_t p = 0; p < n_panels; ++p) {
      const CodePanel work = code_panel(task.panels + (panel + p) * task.panel_bytes,
                                        task.quantized, sums, row, out + p * 16, n_panels * 16);
      for (int64_t lane = 0; lane < 16; ++lane) work.out[lane] = channel(work, lane);
    }
  }
};

void run(const LinearTask& task, const LinearPart& part, std::byte* scratch) {
  if (holds_codes(task.format)) {
    run_panels<generic::F32, CodeMicro>(task, part, scratch);
  } else if (is_integer(task.format)) {
    run_panels<generic::F32, IntegerMicro>(task, part, scratch);
  } else {
    run_panels<generic::F32, FloatMicro>(task, part, scratch);
  }
}

}  // namespace

const LinearVariant kLinearGeneric = {
    .run = run, .scratch_bytes = CodeSums::bytes, .block_rows = half_cache_rows};

}  // namespace autoglm
